import type { Lifetime } from "../concurrency/lifetime.ts";

/** How every client ends. Clients made from this one end with it; the one that it was made from goes on. */
export abstract class Closable implements AsyncDisposable {
  readonly #lifetime: Lifetime;

  constructor(lifetime: Lifetime) {
    this.#lifetime = lifetime;
  }

  /**
   * Refuses new calls, waits for those under way, then ends: no timer, request or listener is left. Calling it again, or
   * at the same time, waits for the same end.
   *
   * @param signal aborting it turns this into `destroy`
   */
  async close(signal?: AbortSignal): Promise<void> {
    await this.#lifetime.close(signal);
  }

  /** Ends now: calls under way reject with a `ClosedError`. */
  async destroy(): Promise<void> {
    await this.#lifetime.destroy();
  }

  /** As `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
