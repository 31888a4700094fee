interface Waiter {
  readonly lane: string;
  readonly start: () => Promise<void>;
}

/**
 * Shares one thread between lanes (an adapter's training, a snapshot's samples): work runs one piece at a time, and
 * next comes the oldest piece of the lane that has used the least time so far. A lane that was idle starts level with
 * the busy ones instead of catching up on what it never asked for.
 */
export class FairShare {
  readonly #now: () => number;
  readonly #waiting: Waiter[] = [];
  readonly #used = new Map<string, number>();
  #level = 0;
  #running = false;

  /** @param now Milliseconds of a clock that never goes back. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Runs `work` when its lane's turn comes. */
  async run<T>(lane: string, work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        lane,
        start: async () => {
          await work().then(resolve, reject);
        },
      });
      if (!this.#running) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#running = true;
    for (let waiter = await this.#next(); waiter !== undefined; waiter = await this.#next()) {
      const started = this.#now();
      await waiter.start();
      this.#used.set(waiter.lane, this.#level + this.#now() - started);
    }
    this.#used.clear();
    this.#level = 0;
    this.#running = false;
  }

  /** Waits one turn of the event loop first, so that whoever follows up on the last piece is in the queue too. */
  async #next(): Promise<Waiter | undefined> {
    await new Promise(setImmediate);
    let best: number | undefined;
    for (const [index, { lane }] of this.#waiting.entries()) {
      if (best === undefined || this.#usedBy(lane) < this.#usedBy(this.#waiting[best]?.lane ?? lane)) best = index;
    }
    if (best === undefined) return undefined;
    const [waiter] = this.#waiting.splice(best, 1);
    if (waiter !== undefined) this.#level = this.#usedBy(waiter.lane);
    return waiter;
  }

  #usedBy(lane: string): number {
    return Math.max(this.#used.get(lane) ?? 0, this.#level);
  }
}
