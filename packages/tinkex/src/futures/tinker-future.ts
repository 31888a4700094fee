import type { OperationProgress, OperationState } from "./operation-progress.ts";

/**
 * A call under way. Await it like a promise, or look at it meanwhile.
 *
 * - The work goes on whether or not anybody awaits; a failure that nobody awaits is never an unhandled rejection.
 * - The result is decoded when it is first asked for, once.
 * - A failure's stack ends with the place that made the call.
 */
export class TinkerFuture<T> implements PromiseLike<T> {
  readonly #progress: OperationProgress;
  readonly #outcome: Promise<() => T>;
  readonly #abort: (reason: unknown) => void;
  #value: Promise<T> | undefined;

  /** Made by the clients; not for users to construct. */
  constructor(progress: OperationProgress, outcome: Promise<() => T>, abort: (reason: unknown) => void) {
    this.#progress = progress;
    this.#outcome = outcome;
    this.#abort = abort;
  }

  /** The server's id of the work; undefined until it has accepted it. */
  get requestId(): string | undefined {
    return this.#progress.requestId;
  }

  get state(): OperationState {
    return this.#progress.state;
  }

  /** Why the operation is held up, while `state` is `paused`. */
  get pauseReason(): string | undefined {
    return this.#progress.pauseReason;
  }

  /**
   * Stops waiting: the future rejects with `reason`. An operation that was not sent yet is never sent; one that was may
   * still take effect, because Tinker has no way to call work back.
   *
   * @param reason default: an `AbortError`, as `AbortController.abort()` makes it
   */
  abort(reason: unknown = new DOMException("This operation was aborted", "AbortError")): void {
    this.#abort(reason);
  }

  // oxlint-disable-next-line unicorn/no-thenable -- being awaitable is what a future is for
  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#value ??= this.#outcome.then((decode) => decode());
    return this.#value.then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.then(undefined, onRejected);
  }

  finally(onFinally?: (() => void) | null): Promise<T> {
    return this.then(undefined, undefined).finally(onFinally);
  }
}
