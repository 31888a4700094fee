import timers from "node:timers";
import timersPromises from "node:timers/promises";
import { promisify } from "node:util";
import { patch } from "./patch.ts";
import { immediatePromise, intervalIterator, timeoutPromise } from "./timer-promises.ts";
import { timerDelay, virtualTimerOf, VirtualTimer, type TimerKind } from "./virtual-timer.ts";
import { currentWorld, type Clock } from "./world.ts";

type Callback = (...args: unknown[]) => unknown;
type Starter = (callback: Callback, delay?: unknown, ...args: unknown[]) => unknown;

/** Set on `setTimeout` by the patch, to tell whether somebody has replaced it since. */
const marker = Symbol.for("supertester.shim");

/** Whether the global timers are still ours: fake timers put theirs over them, for the whole process. */
export function areTimersInPlace(): boolean {
  return marker in globalThis.setTimeout;
}

/** Global timers, `node:timers`, `node:timers/promises` with its `scheduler`, and `AbortSignal.timeout`. */
export function patchTimers(): void {
  for (const holder of [globalThis, timers] as unknown as Record<string, Starter>[]) {
    patchStarter(holder, "setTimeout", "timeout");
    patchStarter(holder, "setInterval", "interval");
    patch(holder, "setImmediate", (original) => {
      const shim: Starter = (callback, ...args) => {
        const clock = currentWorld()?.clock;
        return clock === undefined
          ? original(callback, ...args)
          : new VirtualTimer(clock, "immediate", 0, checked(callback), args);
      };
      return withPromiseForm(shim, (value: unknown, options: unknown) =>
        timersPromises.setImmediate(value, options as object),
      );
    });
    for (const name of ["clearTimeout", "clearInterval", "clearImmediate"]) {
      patch(holder, name, (original) => (timer: unknown) => {
        const virtual = virtualTimerOf(timer);
        if (virtual === undefined) original(timer as Callback);
        else virtual.clear();
      });
    }
  }
  patchTimersPromises();
  patchAbortSignal();
  Object.defineProperty(globalThis.setTimeout, marker, { value: true });
}

function patchStarter(holder: Record<string, Starter>, name: "setTimeout" | "setInterval", kind: TimerKind): void {
  patch(holder, name, (original) => {
    const shim: Starter = (callback, delay, ...args) => {
      const clock = currentWorld()?.clock;
      return clock === undefined
        ? original(callback, delay, ...args)
        : new VirtualTimer(clock, kind, timerDelay(delay), checked(callback), args);
    };
    if (kind === "interval") return shim;
    return withPromiseForm(shim, (ms: number, value: unknown, options: unknown) =>
      timersPromises.setTimeout(ms, value, options as object),
    );
  });
}

/** `util.promisify(setTimeout)` and `promisify(setImmediate)` have special forms, found through this symbol. */
function withPromiseForm(shim: Starter, form: (...args: never[]) => unknown): Starter {
  Object.defineProperty(shim, promisify.custom, { configurable: true, enumerable: true, get: () => form });
  return shim;
}

function patchTimersPromises(): void {
  patch(
    timersPromises,
    "setTimeout",
    (original) =>
      ((ms: number, value: unknown, options?: object) => {
        const clock = currentWorld()?.clock;
        return clock === undefined ? original(ms, value, options) : timeoutPromise(clock, ms, value, options);
      }) as typeof original,
  );
  patch(
    timersPromises,
    "setImmediate",
    (original) =>
      ((value: unknown, options?: object) => {
        const clock = currentWorld()?.clock;
        return clock === undefined ? original(value, options) : immediatePromise(clock, value, options);
      }) as typeof original,
  );
  patch(
    timersPromises,
    "setInterval",
    (original) =>
      ((ms: number, value: unknown, options?: object) => {
        const clock = currentWorld()?.clock;
        return clock === undefined ? original(ms, value, options) : intervalIterator(clock, ms, value, options);
      }) as typeof original,
  );
  const { scheduler } = timersPromises;
  patch(scheduler, "wait", (original) => (ms, options) => {
    const clock = currentWorld()?.clock;
    return clock === undefined ? original.call(scheduler, ms, options) : timeoutPromise(clock, ms, undefined, options);
  });
  patch(scheduler, "yield", (original) => () => {
    const clock = currentWorld()?.clock;
    return clock === undefined ? original.call(scheduler) : immediatePromise(clock, undefined);
  });
}

function patchAbortSignal(): void {
  patch(AbortSignal, "timeout", (original) => (ms) => {
    const clock = currentWorld()?.clock;
    return clock === undefined ? original.call(AbortSignal, ms) : timeoutSignal(clock, ms);
  });
}

function timeoutSignal(clock: Clock, ms: number): AbortSignal {
  const controller = new AbortController();
  const expire = () => controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError"));
  // Node's own timer for this does not keep the process alive.
  new VirtualTimer(clock, "timeout", timerDelay(ms), expire, []).unref();
  return controller.signal;
}

function checked(callback: unknown): Callback {
  if (typeof callback === "function") return callback as Callback;
  const error = new TypeError(`The "callback" argument must be of type function. Received ${typeof callback}`);
  throw Object.assign(error, { code: "ERR_INVALID_ARG_TYPE" });
}
