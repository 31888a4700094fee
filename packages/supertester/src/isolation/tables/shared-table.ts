import { IsolatedMap, type TableOptions } from "./isolated-map.ts";

interface Flight<V> {
  readonly promise: Promise<V>;
  readonly controller: AbortController;
  waiters: number;
}

/** Options of one asynchronous `getOrCreate`. */
export interface FlightOptions {
  /** Gives up waiting. The creation goes on while another caller waits for it, and is aborted with the last. */
  readonly signal?: AbortSignal;
}

/** A named `IsolatedMap` with atomic get-or-create: a registry or cache that concurrent callers share. */
export class SharedTable<K, V> extends IsolatedMap<K, V> {
  /** Creations under way, per view: tests do not join each other's. */
  readonly #flights = new WeakMap<Map<K, V>, Map<K, Flight<V>>>();

  constructor(
    name: string,
    options: Omit<TableOptions<V>, "name"> & { readonly entries?: Iterable<readonly [K, V]> } = {},
  ) {
    super(options.entries, { ...options, name });
  }

  /** The value of `key`, made by `create` when there is none. Atomic, since nothing can run in between. */
  getOrCreate(key: K, create: (key: K) => V): V {
    const view = this.view();
    if (view.has(key)) return view.get(key) as V;
    const made = create(key);
    // `create` may have used the table itself: whoever was first stays.
    if (view.has(key)) return view.get(key) as V;
    view.set(key, made);
    return made;
  }

  /**
   * As `getOrCreate` with an asynchronous `create`: callers who come while it runs wait for the same creation. A failure
   * reaches all of them and is not kept. `create`'s signal aborts when no caller waits any more.
   */
  async getOrCreateAsync(
    key: K,
    create: (key: K, signal: AbortSignal) => V | Promise<V>,
    { signal }: FlightOptions = {},
  ): Promise<V> {
    signal?.throwIfAborted();
    const view = this.view();
    if (view.has(key)) return view.get(key) as V;
    const flights = this.#flightsOf(view);
    let flight = flights.get(key);
    if (flight === undefined) {
      flight = this.#takeOff(view, flights, key, create);
      flights.set(key, flight);
    }
    return this.#join(flights, key, flight, signal);
  }

  #flightsOf(view: Map<K, V>): Map<K, Flight<V>> {
    let flights = this.#flights.get(view);
    if (flights === undefined) this.#flights.set(view, (flights = new Map<K, Flight<V>>()));
    return flights;
  }

  #takeOff(
    view: Map<K, V>,
    flights: Map<K, Flight<V>>,
    key: K,
    create: (key: K, signal: AbortSignal) => V | Promise<V>,
  ): Flight<V> {
    const controller = new AbortController();
    const run = async (): Promise<V> => {
      // After the flight is registered, so that a synchronous throw of `create` is a failed flight like any other.
      await Promise.resolve();
      try {
        const made = await create(key, controller.signal);
        if (flights.get(key)?.promise !== promise) return made;
        if (view.has(key)) return view.get(key) as V;
        view.set(key, made);
        return made;
      } finally {
        if (flights.get(key)?.promise === promise) flights.delete(key);
      }
    };
    const promise = run();
    promise.catch(() => undefined); // every waiter gets it; with none left there is nobody to tell
    return { promise, controller, waiters: 0 };
  }

  async #join(flights: Map<K, Flight<V>>, key: K, flight: Flight<V>, signal: AbortSignal | undefined): Promise<V> {
    flight.waiters += 1;
    if (signal === undefined) return flight.promise;
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = () => {
      flight.waiters -= 1;
      if (flight.waiters === 0) {
        // Nobody waits: the next caller starts afresh instead of joining a creation that is being aborted.
        if (flights.get(key) === flight) flights.delete(key);
        flight.controller.abort(signal.reason);
      }
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([flight.promise, aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}
