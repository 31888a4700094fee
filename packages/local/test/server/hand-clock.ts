import type { Runtime } from "../../src/index.ts";

interface Sleeper {
  readonly due: number;
  readonly wake: () => void;
}

/** A clock that stands still until a test moves it. */
export class HandClock implements Runtime {
  #now = Date.UTC(2026, 0, 1);
  #draws = 0;
  readonly #sleepers = new Set<Sleeper>();
  #watchers: (() => void)[] = [];

  now(): number {
    return this.#now;
  }

  /** The same ids in every run. */
  random(): number {
    this.#draws += 1;
    return (this.#draws * 0.6180339887498949) % 1;
  }

  /** Sleeps that have not ended. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sleeper = { due: this.#now + ms, wake: resolve };
    const abort = (): void => reject(signal.reason as Error);
    this.#sleepers.add(sleeper);
    signal.addEventListener("abort", abort, { once: true });
    for (const look of this.#watchers) look();
    try {
      await promise;
    } finally {
      this.#sleepers.delete(sleeper);
      signal.removeEventListener("abort", abort);
    }
  }

  /** Resolves once that many sleep. */
  async untilSleeping(count: number): Promise<void> {
    if (this.#sleepers.size >= count) return;
    await new Promise<void>((resolve) => {
      this.#watchers.push(() => {
        if (this.#sleepers.size >= count) resolve();
      });
    });
  }

  /** Moves time on, and wakes those whose time has come. */
  advance(ms: number): void {
    this.#now += ms;
    for (const sleeper of this.#sleepers) {
      if (sleeper.due > this.#now) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
  }
}
