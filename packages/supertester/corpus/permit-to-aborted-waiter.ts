import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

class Semaphore {
  protected waiting: (() => void)[] = [];
  #free = 1;

  async acquire(signal: AbortSignal | undefined): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.waiting.push(resolve);
    signal?.addEventListener("abort", () => {
      this.forget(resolve);
      reject(signal.reason as Error);
    });
    await promise;
  }

  release(): void {
    const next = this.waiting.shift();
    if (next === undefined) this.#free++;
    else next();
  }

  /** Called when a waiter has given up. */
  protected forget(_waiter: () => void): void {}
}

class ForgettingSemaphore extends Semaphore {
  protected override forget(waiter: () => void): void {
    this.waiting = this.waiting.filter((other) => other !== waiter);
  }
}

async function work(sim: Sim, semaphore: Semaphore, signal?: AbortSignal): Promise<void> {
  try {
    await semaphore.acquire(signal);
  } catch {
    return;
  }
  await sim.io("work");
  semaphore.release();
}

const program =
  (SomeSemaphore: typeof Semaphore): SimBody =>
  async (sim) => {
    const semaphore = new SomeSemaphore();
    const abort = new AbortController();
    const limit = setTimeout(() => abort.abort(), 60);
    // In this order: the holder, the one who gives up, the one who waits.
    await Promise.all([work(sim, semaphore), work(sim, semaphore, abort.signal), work(sim, semaphore)]);
    clearTimeout(limit);
  };

export const permitToAbortedWaiter: Bug = {
  name: "permit-to-aborted-waiter",
  pattern: "a permit is handed to a waiter that has given up, and is lost",
  kind: "deadlock",
  buggy: program(Semaphore),
  fixed: program(ForgettingSemaphore),
};
