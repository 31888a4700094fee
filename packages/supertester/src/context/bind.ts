import { AsyncResource } from "node:async_hooks";

/**
 * `fn`, made to run as part of the test that calls `bind`, whoever calls it later. Needed where Node runs a callback in
 * the context of its caller instead of its registrar: listeners of an emitter, an `AbortSignal` or a port shared between
 * tests, jobs handed to a shared queue or pool. `this` and the arguments pass through.
 *
 * An `AsyncResource` costs about a hundredth of `AsyncLocalStorage.bind`, which copies every storage there is.
 */
export function bind<This, Args extends readonly unknown[], Result>(
  fn: (this: This, ...args: Args) => Result,
): (this: This, ...args: Args) => Result {
  const resource = new AsyncResource("supertester.bind", { requireManualDestroy: true });
  return function bound(this: This, ...args: Args): Result {
    return resource.runInAsyncScope(fn, this, ...args);
  };
}
