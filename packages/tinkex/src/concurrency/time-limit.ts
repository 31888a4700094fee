import type { Runtime } from "../runtime.ts";
import { linkSignals } from "./linked-signal.ts";

/** Ends when disposed; until then its signal aborts when a parent does, or when the time is up. */
export interface TimeLimit extends Disposable {
  readonly signal: AbortSignal;
}

const over = "over";

/**
 * A signal for work that may take `ms` at most. `expired` builds the abort reason at the moment the time is up, so that
 * it can name the last thing that went wrong. Disposing frees the timer and all listeners.
 */
export function limitTime(
  runtime: Pick<Runtime, "sleep">,
  ms: number,
  expired: () => Error,
  ...parents: readonly (AbortSignal | undefined)[]
): TimeLimit {
  const work = linkSignals(...parents);
  const timer = new AbortController();
  if (!work.signal.aborted && Number.isFinite(ms)) {
    // In the background: the work it limits keeps the process alive by itself.
    runtime.sleep(ms, { signal: timer.signal, background: true }).then(
      () => work.abort(expired()),
      () => undefined,
    );
  }
  // With a reason of its own: without one each abort would build a DOMException, stack and all, for nobody to read.
  const stopTimer = (): void => timer.abort(over);
  work.signal.addEventListener("abort", stopTimer, { once: true });
  return {
    signal: work.signal,
    [Symbol.dispose]: () => {
      stopTimer();
      work[Symbol.dispose]();
    },
  };
}
