import { LinkedQueue } from "./linked-queue.ts";

/** Held until disposed or released; doing either twice returns the permit once. */
export interface Permit extends Disposable {
  release(): void;
}

interface Waiter {
  readonly weight: number;
  admit(permit: Permit): void;
}

/**
 * A weighted semaphore: strictly first come, first served, and a waiter can be aborted.
 *
 * One rule serves counts and bytes: the oldest waiter is admitted while less than `limit` is in use. With weight 1 that
 * is a plain counting semaphore; with weights in bytes one caller may overshoot, so an item larger than the whole
 * budget runs alone instead of waiting for ever.
 *
 * A permit is handed straight to the next waiter: between a release and that hand-over no newcomer can take it, and
 * nobody polls.
 */
export class PermitPool {
  #limit: number;
  #inUse = 0;
  readonly #waiters = new LinkedQueue<Waiter>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The sum of the weights of all permits out. */
  get inUse(): number {
    return this.#inUse;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /** Rejects with the signal's reason when aborted while waiting; the place in the queue is then given up at once. */
  async acquire(weight = 1, signal?: AbortSignal): Promise<Permit> {
    signal?.throwIfAborted();
    if (this.#waiters.size === 0 && this.#inUse < this.#limit) return this.#issue(weight);

    const { promise, resolve, reject } = Promise.withResolvers<Permit>();
    const leave = this.#waiters.push({ weight, admit: resolve });
    const onAbort = (): void => {
      leave();
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Changes the limit for everyone from now on; permits that are out stay out. */
  resize(limit: number): void {
    this.#limit = limit;
    this.#admitWaiters();
  }

  #issue(weight: number): Permit {
    this.#inUse += weight;
    let held = true;
    const release = (): void => {
      if (!held) return;
      held = false;
      this.#inUse -= weight;
      this.#admitWaiters();
    };
    return { release, [Symbol.dispose]: release };
  }

  #admitWaiters(): void {
    while (this.#inUse < this.#limit) {
      const next = this.#waiters.shift();
      if (!next) return;
      next.admit(this.#issue(next.weight));
    }
  }
}
