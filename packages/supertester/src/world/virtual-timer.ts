import { AsyncResource } from "node:async_hooks";
import { currentWorld, type Clock } from "./world.ts";

export type TimerKind = "timeout" | "interval" | "immediate";

const maxDelay = 2 ** 31 - 1;
let lastId = 0;

/** Node's rule: anything that is not between 1 and 2^31 - 1 ms is 1 ms, and fractions are cut. */
export function timerDelay(delay: unknown): number {
  const ms = Number(delay);
  return ms >= 1 && ms <= maxDelay ? Math.trunc(ms) : 1;
}

/**
 * What the patched `setTimeout`, `setInterval` and `setImmediate` return inside a world. It has the members of Node's
 * `Timeout`, and runs its callback in the async context of whoever created it.
 */
export class VirtualTimer {
  readonly kind: TimerKind;
  /** Milliseconds; 0 for an immediate. */
  readonly delay: number;
  /** The clock that it runs by. Changes only for a timer that outlives its world; see `refresh`. */
  clock: Clock;
  /** Bookkeeping of the clock: when the timer fires on that clock's own scale, and its place in the queue. */
  due = 0;
  order = 0;
  position = -1;
  /** The clock's own record of this arming, if it keeps one. */
  record: unknown = undefined;
  readonly #callback: (...args: unknown[]) => unknown;
  readonly #args: unknown[];
  #resource = new AsyncResource("supertester.timer", { requireManualDestroy: true });
  #referenced = true;
  #cleared = false;
  #id: number | undefined;

  constructor(
    clock: Clock,
    kind: TimerKind,
    delay: number,
    callback: (...args: unknown[]) => unknown,
    args: unknown[],
  ) {
    this.clock = clock;
    this.kind = kind;
    this.delay = delay;
    this.#callback = callback;
    this.#args = args;
    clock.arm(this);
  }

  /** Runs the callback, and arms an interval again unless the callback cleared it. Errors are the caller's to handle. */
  fire(): void {
    try {
      this.#resource.runInAsyncScope(this.#callback, this, ...this.#args);
    } finally {
      if (this.kind !== "interval") this.#forgetId();
      else if (!this.#cleared) this.clock.arm(this);
    }
  }

  clear(): void {
    this.#cleared = true;
    this.clock.disarm(this);
    this.#forgetId();
  }

  close(): this {
    this.clear();
    return this;
  }

  /**
   * Starts over. A library may keep one timer in a module variable and refresh it for ever, as undici does: after the end
   * of the world that it was made in, it joins the one that refreshes it, so that every run sees the same timers.
   */
  refresh(): this {
    if (this.#cleared) return this;
    this.clock.disarm(this);
    const current = this.clock.ended === true ? currentWorld()?.clock : undefined;
    if (current !== undefined) {
      this.clock = current;
      this.record = undefined;
      this.#resource = new AsyncResource("supertester.timer", { requireManualDestroy: true });
    }
    this.clock.arm(this);
    return this;
  }

  ref(): this {
    this.#referenced = true;
    return this;
  }

  unref(): this {
    this.#referenced = false;
    return this;
  }

  hasRef(): boolean {
    return this.#referenced;
  }

  [Symbol.toPrimitive](): number {
    if (this.#id === undefined) {
      this.#id = ++lastId;
      timersById.set(this.#id, this);
    }
    return this.#id;
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  #forgetId(): void {
    if (this.#id !== undefined) timersById.delete(this.#id);
  }
}

/** Only timers whose number was asked for, as in Node: `clearTimeout(+timer)` must work. */
const timersById = new Map<number, VirtualTimer>();

/** The virtual timer that a value handed to `clearTimeout` stands for. */
export function virtualTimerOf(value: unknown): VirtualTimer | undefined {
  if (value instanceof VirtualTimer) return value;
  return typeof value === "number" || typeof value === "string" ? timersById.get(Number(value)) : undefined;
}
