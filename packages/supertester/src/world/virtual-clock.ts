import { real } from "./real.ts";
import { TimerQueue } from "./timer-queue.ts";
import type { VirtualTimer } from "./virtual-timer.ts";
import type { Clock } from "./world.ts";

/** How a `VirtualClock` starts. */
export interface VirtualClockOptions {
  /** What `Date.now()` says at the start, in milliseconds since the Unix epoch or as an ISO date. Default 2000-01-01T00:00:00Z. */
  readonly epoch?: number | string;
}

/**
 * A clock that moves only when told to. Code that runs in a world with this clock sees it through `Date`,
 * `performance.now`, `setTimeout` and the rest; code outside is not affected, so concurrent tests can each have one.
 */
export class VirtualClock implements Clock {
  readonly #epoch: number;
  readonly #timers = new TimerQueue();
  #now = 0;
  #armed = 0;

  constructor(options: VirtualClockOptions = {}) {
    this.#epoch = parseEpoch(options.epoch);
  }

  now(): number {
    return this.#epoch + this.#now;
  }

  elapsed(): number {
    return elapsedOrigin + this.#now;
  }

  /** Timers that are armed now. */
  get pending(): number {
    return this.#timers.size;
  }

  /**
   * Moves time forward by `ms`, firing due timers in order and letting all that each one sets off settle before the next.
   * Rejects with what a timer's callback throws.
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`VirtualClock.advance needs a duration of at least 0 ms, got ${ms}`);
    const end = this.#now + ms;
    await settle();
    for (let timer = this.#timers.peek(); timer !== undefined && timer.due <= end; timer = this.#timers.peek()) {
      await this.#fire(timer);
    }
    this.#now = Math.max(this.#now, end);
  }

  /** Moves to the next timer and fires it. Returns false when none is armed. */
  async next(): Promise<boolean> {
    await settle();
    const timer = this.#timers.peek();
    if (timer === undefined) return false;
    await this.#fire(timer);
    return true;
  }

  arm(timer: VirtualTimer): void {
    timer.due = this.#now + timer.delay;
    timer.order = this.#armed++;
    this.#timers.add(timer);
  }

  disarm(timer: VirtualTimer): void {
    this.#timers.remove(timer);
  }

  async #fire(timer: VirtualTimer): Promise<void> {
    this.#timers.remove(timer);
    this.#now = Math.max(this.#now, timer.due);
    timer.fire();
    await settle();
  }
}

/** `performance.now()` at virtual time 0. Not 0, which some libraries (lru-cache) take to mean "never set". */
export const elapsedOrigin = 1000;

/** Milliseconds since the Unix epoch; throws `RangeError` when the text or number is not a date. */
export function parseEpoch(epoch: number | string = Date.UTC(2000, 0, 1)): number {
  const ms = typeof epoch === "string" ? real.Date.parse(epoch) : epoch;
  if (!Number.isFinite(ms))
    throw new RangeError(`Not a date: ${JSON.stringify(epoch)}. Give epoch milliseconds or ISO 8601.`);
  return ms;
}

/** A real turn of the event loop: every next-tick and microtask that is queued now has run when it ends. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    real.setImmediate(resolve);
  });
}
