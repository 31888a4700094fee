import { patch } from "./patch.ts";
import { currentWorld } from "./world.ts";

/**
 * `process.nextTick`, `queueMicrotask` and unhandled rejections. The order of these callbacks stays Node's own; only
 * what they throw is diverted. That guard is vital in a simulation: an error that leaves a next-tick callback while the
 * queue is drained synchronously leaves the async-hook stack corrupted, and Node then ends the process.
 */
export function patchCallbacks(): void {
  patchNextTick();
  patch(globalThis, "queueMicrotask", (original) => (callback) => {
    const onError = currentWorld()?.onCallbackError;
    if (onError === undefined || typeof callback !== "function") original(callback);
    else original(() => guarded(onError, callback, []));
  });
  // Node emits these in the async context of the rejected promise, and asks `emit` whether anybody handled it.
  const emit = (original: typeof process.emit, event: string, ...args: unknown[]): boolean => {
    const isRejection = event === "unhandledRejection";
    const onUnhandled = isRejection || event === "warning" ? currentWorld()?.onUnhandledRejection : undefined;
    if (onUnhandled !== undefined && isRejection) {
      onUnhandled(args[0]);
      return true;
    }
    // The same rejections, handled too late.
    if (onUnhandled !== undefined && (args[0] as Error).name === "PromiseRejectionHandledWarning") return true;
    return Reflect.apply(original, process, [event, ...args]) as boolean;
  };
  patch(process, "emit", (original) => emit.bind(undefined, original) as typeof original);
}

/**
 * An accessor, because vitest puts the function it saw at start-up back after each of its own remote calls; that must
 * not undo the guard. A really different function, such as a fake timer, is put behind it instead.
 */
function patchNextTick(): void {
  const { nextTick: replaced } = process as { nextTick: unknown };
  const original = process.nextTick.bind(process);
  let current = original;
  const shim = (callback: (...args: unknown[]) => void, ...args: unknown[]) => {
    const onError = currentWorld()?.onCallbackError;
    if (onError === undefined || typeof callback !== "function") current(callback, ...args);
    else current(guarded, onError, callback, args);
  };
  Object.defineProperty(process, "nextTick", {
    configurable: true,
    enumerable: true,
    get: () => shim,
    set(value: typeof original) {
      if (value === shim) return;
      current = value === replaced ? original : value;
    },
  });
}

function guarded(onError: (error: unknown) => void, callback: (...args: unknown[]) => void, args: unknown[]): void {
  try {
    callback(...args);
  } catch (error) {
    onError(error);
  }
}
