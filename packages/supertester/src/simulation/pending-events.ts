import type { SimEvent } from "./event.ts";

const bucketSize = 64;

interface Bucket {
  /** Sorted by `isBefore`. Never empty. */
  readonly events: SimEvent[];
  /** Smallest `latest` of the bucket; undefined when it must be computed again. */
  latest: number | undefined;
  /** The event with the highest chain priority; undefined when it must be computed again. */
  highest: SimEvent | undefined;
}

/** The events that may legally run next, in the order in which an unloaded event loop would run them. */
export interface EnabledEvents {
  readonly size: number;
  /** The event with that rank; 0 is the natural next one. */
  at(rank: number): SimEvent;
  /** The event whose chain has the highest priority; the earlier one on a tie. */
  highest(): SimEvent;
  /** Changes the priority of an event's chain; the event must be enabled. */
  setPriority(event: SimEvent, priority: number): void;
}

/**
 * Pending events ordered by earliest time, then creation, in buckets of bounded size: adding, removing and selecting by
 * rank stay cheap with thousands of tasks, and a small simulation is one bucket.
 */
export class PendingEvents implements EnabledEvents {
  readonly #buckets: Bucket[] = [];
  #horizon = 0;
  #enabled = 0;

  /** How many events are enabled, as of the last `refresh`. */
  get size(): number {
    return this.#enabled;
  }

  /** The instant that time may not pass before the event that ends there has run, as of the last `refresh`. */
  get horizon(): number {
    return this.#horizon;
  }

  /** The instant before which the last of them cannot run; -Infinity when there is none. */
  get lastEarliest(): number {
    return this.#buckets.at(-1)?.events.at(-1)?.earliest ?? -Infinity;
  }

  get isEmpty(): boolean {
    return this.#buckets.length === 0;
  }

  /**
   * Recomputes which events are enabled. An event is if time may move to its earliest instant, which it may not past
   * the latest instant of any other: a timer of 1000 ms cannot fire before one of 10 ms, nor before a response that
   * takes at most 200 ms.
   */
  refresh(): void {
    this.#horizon = Infinity;
    for (const bucket of this.#buckets) this.#horizon = Math.min(this.#horizon, latestOf(bucket));
    this.#enabled = 0;
    for (const { events } of this.#buckets) {
      const reachable = countReachable(events, this.#horizon);
      this.#enabled += reachable;
      if (reachable < events.length) break;
    }
  }

  at(rank: number): SimEvent {
    let rest = rank;
    for (const { events } of this.#buckets) {
      const event = events[rest];
      if (event !== undefined) return event;
      rest -= events.length;
    }
    throw new RangeError(`There is no pending event of rank ${rank}`);
  }

  highest(): SimEvent {
    let best = this.at(0);
    let rest = this.#enabled;
    for (const bucket of this.#buckets) {
      if (rest <= 0) break;
      const candidate = rest >= bucket.events.length ? highestOf(bucket) : highestAmong(bucket.events, rest);
      if (candidate.chain.priority > best.chain.priority) best = candidate;
      rest -= bucket.events.length;
    }
    return best;
  }

  setPriority(event: SimEvent, priority: number): void {
    event.chain.priority = priority;
    const bucket = this.#buckets[this.#bucketIndex(event)];
    if (bucket !== undefined) bucket.highest = undefined;
  }

  add(event: SimEvent): void {
    const index = Math.min(this.#bucketIndex(event), this.#buckets.length - 1);
    const bucket = this.#buckets[index];
    if (bucket === undefined) {
      this.#buckets.push({ events: [event], latest: event.latest, highest: event });
      return;
    }
    bucket.events.splice(position(bucket.events, event), 0, event);
    if (bucket.latest !== undefined && event.latest < bucket.latest) bucket.latest = event.latest;
    if (bucket.highest !== undefined && event.chain.priority > bucket.highest.chain.priority) bucket.highest = event;
    if (bucket.events.length > bucketSize) {
      const tail = bucket.events.splice(bucketSize / 2);
      bucket.latest = undefined;
      bucket.highest = undefined;
      this.#buckets.splice(index + 1, 0, { events: tail, latest: undefined, highest: undefined });
    }
  }

  /** Returns whether the event was pending. */
  remove(event: SimEvent): boolean {
    const index = this.#bucketIndex(event);
    const bucket = this.#buckets[index];
    if (bucket === undefined) return false;
    const at = position(bucket.events, event);
    if (bucket.events[at] !== event) return false;
    bucket.events.splice(at, 1);
    if (bucket.events.length === 0) this.#buckets.splice(index, 1);
    if (bucket.latest === event.latest) bucket.latest = undefined;
    if (bucket.highest === event) bucket.highest = undefined;
    return true;
  }

  clear(): void {
    this.#buckets.length = 0;
    this.#enabled = 0;
  }

  *[Symbol.iterator](): Iterator<SimEvent> {
    for (const { events } of this.#buckets) yield* events;
  }

  /** The first bucket whose last event is not before `event`. */
  #bucketIndex(event: SimEvent): number {
    let low = 0;
    let high = this.#buckets.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const last = this.#buckets[middle]?.events.at(-1);
      if (last !== undefined && isBefore(last, event)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function isBefore(a: SimEvent, b: SimEvent): boolean {
  return a.earliest < b.earliest || (a.earliest === b.earliest && a.order < b.order);
}

/** The index of the first event that is not before `event`. */
function position(events: readonly SimEvent[], event: SimEvent): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = events[middle];
    if (other !== undefined && isBefore(other, event)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function countReachable(events: readonly SimEvent[], horizon: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((events[middle]?.earliest ?? Infinity) <= horizon) low = middle + 1;
    else high = middle;
  }
  return low;
}

function latestOf(bucket: Bucket): number {
  if (bucket.latest === undefined) {
    bucket.latest = Infinity;
    for (const event of bucket.events) bucket.latest = Math.min(bucket.latest, event.latest);
  }
  return bucket.latest;
}

function highestOf(bucket: Bucket): SimEvent {
  return (bucket.highest ??= highestAmong(bucket.events, bucket.events.length));
}

function highestAmong(events: readonly SimEvent[], count: number): SimEvent {
  let best = events[0];
  for (let index = 1; index < count; index++) {
    const event = events[index];
    if (event !== undefined && (best === undefined || event.chain.priority > best.chain.priority)) best = event;
  }
  if (best === undefined) throw new RangeError("A bucket is never empty");
  return best;
}
