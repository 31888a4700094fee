import { timerDelay, VirtualTimer, type TimerKind } from "./virtual-timer.ts";
import type { Clock } from "./world.ts";

interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  readonly ref?: boolean | undefined;
}

/** `timers/promises.setTimeout` on a virtual clock. */
export function timeoutPromise<T>(clock: Clock, ms: number, value: T, options: WaitOptions = {}): Promise<T> {
  return wait(clock, "timeout", timerDelay(ms), value, options);
}

/** `timers/promises.setImmediate` on a virtual clock. */
export function immediatePromise<T>(clock: Clock, value: T, options: WaitOptions = {}): Promise<T> {
  return wait(clock, "immediate", 0, value, options);
}

function wait<T>(clock: Clock, kind: TimerKind, delay: number, value: T, { signal, ref }: WaitOptions): Promise<T> {
  if (signal?.aborted === true) return Promise.reject(abortError(signal));
  return new Promise((resolve, reject) => {
    const done = () => {
      signal?.removeEventListener("abort", cancel);
      resolve(value);
    };
    const timer = new VirtualTimer(clock, kind, delay, done, []);
    if (ref === false) timer.unref();
    function cancel(): void {
      timer.clear();
      if (signal !== undefined) reject(abortError(signal));
    }
    signal?.addEventListener("abort", cancel, { once: true });
  });
}

/** `timers/promises.setInterval` on a virtual clock: ticks that pass while the consumer is busy are handed out later. */
export async function* intervalIterator<T>(
  clock: Clock,
  ms: number,
  value: T,
  { signal, ref }: WaitOptions = {},
): AsyncGenerator<T, void, void> {
  if (signal?.aborted === true) throw abortError(signal);
  let ticks = 0;
  let wake: (() => void) | undefined;
  const timer = new VirtualTimer(
    clock,
    "interval",
    timerDelay(ms),
    () => {
      ticks++;
      wake?.();
    },
    [],
  );
  if (ref === false) timer.unref();
  let cancelled = false as boolean;
  const cancel = () => {
    cancelled = true;
    timer.clear();
    wake?.();
  };
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    for (;;) {
      if (ticks === 0 && !cancelled) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (signal !== undefined && cancelled) throw abortError(signal);
      while (ticks > 0) {
        ticks--;
        yield value;
      }
    }
  } finally {
    timer.clear();
    signal?.removeEventListener("abort", cancel);
  }
}

/** The error that Node's own promise timers reject with. */
function abortError(signal: AbortSignal): Error {
  const error = new Error("The operation was aborted", { cause: signal.reason });
  error.name = "AbortError";
  return Object.assign(error, { code: "ABORT_ERR" });
}
