import type { Runtime } from "../runtime.ts";
import { PermitPool } from "./permit-pool.ts";

/** For this long after a pause requests go through a few at a time, or all that waited would come back together. */
const cautionMs = 10_000;
const cautiousRequests = 10;

/**
 * A gate that rate-limit answers shut for a while, shared by everything that uses one credential on one server.
 *
 * - Its deadline only moves forward: a short pause after a long one does not shorten it.
 * - Nothing opens it early. A success says only that one request was let in before the gate shut, so there is no method
 *   to clear it; time passing opens it.
 * - Waiters read the deadline again when they wake, because it may have moved while they slept.
 * - In the ten seconds after a pause ten requests pass at a time. Both numbers are the official client's.
 */
export class BackoffGate {
  readonly #runtime: Pick<Runtime, "now" | "sleep">;
  readonly #narrow = new PermitPool(cautiousRequests);
  #shutUntil = Number.NEGATIVE_INFINITY;

  constructor(runtime: Pick<Runtime, "now" | "sleep">) {
    this.#runtime = runtime;
  }

  /** Milliseconds until the gate opens; 0 when it is open. */
  get remainingMs(): number {
    return Math.max(0, this.#shutUntil - this.#runtime.now());
  }

  /** Whether a pause is on or was, a short while ago. */
  get isCautious(): boolean {
    return this.#runtime.now() - this.#shutUntil < cautionMs;
  }

  /** Shuts the gate for at least `ms` from now. */
  shutFor(ms: number): void {
    this.#shutUntil = Math.max(this.#shutUntil, this.#runtime.now() + ms);
  }

  /**
   * Waits until one request may be sent; dispose what it resolves with when the request has been answered. Rejects with
   * the signal's reason.
   */
  async enter(signal: AbortSignal): Promise<Disposable> {
    for (;;) {
      signal.throwIfAborted();
      if (this.remainingMs > 0) await this.#runtime.sleep(this.remainingMs, { signal });
      if (!this.isCautious) return free;
      const permit = await this.#narrow.acquire(1, signal);
      if (this.remainingMs === 0) return permit;
      // Shut anew while we slept or queued for the narrow passage.
      permit.release();
    }
  }
}

const free: Disposable = { [Symbol.dispose]: () => undefined };
