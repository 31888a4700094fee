interface Flight<V> {
  readonly promise: Promise<V>;
  readonly controller: AbortController;
  passengers: number;
  landed: boolean;
}

/**
 * Runs a load once for all that ask for the same key at the same time, and keeps the result.
 *
 * - A failure reaches everyone who waited for it and is forgotten: the next caller starts afresh.
 * - A caller that aborts leaves alone; the load itself is aborted when the last caller has left.
 * - The key must contain every option that changes the result, or callers get each other's.
 */
export class SingleFlight<V> {
  readonly #flights = new Map<string, Flight<V>>();

  /** Keys that are loading or loaded. */
  get size(): number {
    return this.#flights.size;
  }

  async get(key: string, load: (signal: AbortSignal) => Promise<V>, signal?: AbortSignal): Promise<V> {
    signal?.throwIfAborted();
    const flight = this.#flights.get(key) ?? this.#depart(key, load);
    flight.passengers += 1;
    if (!signal) return await flight.promise;

    const { promise: left, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => {
      flight.passengers -= 1;
      // The entry goes before the load is told, so that a caller arriving meanwhile cannot board a doomed flight.
      if (flight.passengers === 0 && !flight.landed) {
        this.#forget(key, flight);
        flight.controller.abort(signal.reason);
      }
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([flight.promise, left]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  clear(): void {
    this.#flights.clear();
  }

  #depart(key: string, load: (signal: AbortSignal) => Promise<V>): Flight<V> {
    const controller = new AbortController();
    // Started in a microtask so that the entry stands before any of `load` runs, even if it throws synchronously.
    const promise = Promise.resolve().then(() => load(controller.signal));
    const flight: Flight<V> = { promise, controller, passengers: 0, landed: false };
    this.#flights.set(key, flight);
    void this.#land(key, flight);
    return flight;
  }

  async #land(key: string, flight: Flight<V>): Promise<void> {
    try {
      await flight.promise;
    } catch {
      this.#forget(key, flight);
    } finally {
      flight.landed = true;
    }
  }

  #forget(key: string, flight: Flight<V>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
  }
}
