import { formatMs } from "./diagnosis.ts";
import type { Kernel } from "./kernel.ts";
import { SimulationError } from "./failure.ts";
import { Lane } from "./lane.ts";
import { HttpHosts } from "./http-hosts.ts";
import type { HttpApplication, HttpHandler, HttpOptions } from "./http-types.ts";
import { RealWorkGate } from "./gate.ts";
import { MemoryNetwork } from "./memory-network.ts";
import { checkLatency, type Latency } from "./options.ts";
import { simDispatcher, type SimDispatcher } from "./undici-dispatcher.ts";

/** Options of one `sim.io`. */
export interface IoOptions {
  /** Virtual milliseconds it may take. Default: the run's `latency`. */
  readonly latency?: Latency;
}

/**
 * The handle of a simulated run: names tasks, adds I/O and servers, decides, and states what must hold. Ordinary code
 * (timers, `fetch`, streams, libraries) needs none of it.
 */
export class Sim {
  readonly #kernel: Kernel;
  readonly #hosts: HttpHosts;
  readonly #laneNames = new Map<string, number>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#hosts = new HttpHosts(kernel);
    if (kernel.settings.escapes === "gate") kernel.gate = new RealWorkGate(kernel);
    kernel.network = new MemoryNetwork(kernel, kernel.settings.latency, (authority) => this.#hosts.hosted(authority));
  }

  /** Virtual milliseconds since the run began. `Date.now()` is this plus the run's epoch. */
  get now(): number {
    return this.#kernel.time;
  }

  /** Starts a named task. When it gets to run, relative to other tasks and I/O, is explored. */
  spawn<T>(name: string, fn: () => Promise<T> | T): Promise<T> {
    const count = (this.#laneNames.get(name) ?? 0) + 1;
    this.#laneNames.set(name, count);
    const kernel = this.#kernel;
    const lane = new Lane(kernel, count === 1 ? name : `${name}#${count}`, kernel.lane.background);
    kernel.beginTask(lane);
    return new Promise<T>((resolve, reject) => {
      const start = kernel.bind(lane, async () => fn());
      const settling =
        <A>(settle: (outcome: A) => void) =>
        (outcome: A) => {
          kernel.finishTask(lane);
          settle(outcome);
        };
      const begin = () => void start().then(settling(resolve), settling(reject));
      kernel.schedule("start", "start", [0, kernel.settings.latency[1]], begin, lane);
    });
  }

  /**
   * A piece of I/O: after some latency `fn` takes effect and its result is delivered, in one step. When that is,
   * relative to all other events, is explored.
   */
  io<T = void>(label: string, fn?: () => T | Promise<T>, options: IoOptions = {}): Promise<T> {
    const kernel = this.#kernel;
    const latency = checkLatency("latency", options.latency ?? kernel.settings.latency);
    const { lane } = kernel;
    return new Promise<T>((resolve, reject) => {
      const effect = fn === undefined ? undefined : kernel.bind(lane, fn);
      kernel.schedule("io", label, latency, () => {
        try {
          resolve(effect?.() as T);
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** Resolves after exactly `ms` of virtual time, or later if other work keeps the event loop busy. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, ms);
    });
  }

  /**
   * Answers requests to `host` (such as `api.test` or `localhost:3000`) in memory, by a handler or by any
   * `fetch(Request) => Response` application. Arrival of the request and delivery of the response, chunk by chunk when
   * it streams, are separate events. Requests to any other host fail the run.
   */
  http(host: string, server: HttpHandler | HttpApplication, options: HttpOptions = {}): void {
    this.#hosts.mount(host, server, options);
  }

  /** A dispatcher for undici's own functions that reaches the hosts mounted with `http`. */
  dispatcher(): SimDispatcher {
    return simDispatcher(this.#hosts);
  }

  /** Decides among 0 to `count - 1`; explored, recorded, and shrunk towards 0. */
  choose(count: number, label = "choose"): number {
    if (!Number.isSafeInteger(count) || count < 1)
      throw new RangeError(`choose needs a count of at least 1, got ${count}`);
    return this.#kernel.choose(count, label, "choice");
  }

  /** Moves the wall clock (`Date`) by `ms`, which may be negative; timers and `performance.now` do not notice. */
  jumpClock(ms: number): void {
    if (!Number.isFinite(ms)) throw new RangeError(`jumpClock needs a finite number of milliseconds, got ${ms}`);
    this.#kernel.jumpClock(ms);
  }

  /** Checks `invariant` now and after every event: it fails by returning false or throwing. */
  always(name: string, invariant: () => boolean | void): void {
    this.#kernel.watch(() => {
      let held: boolean | void;
      try {
        held = invariant();
      } catch (error) {
        throw new SimulationError(
          "invariant",
          `always "${name}": ${error instanceof Error ? error.message : String(error)}`,
          {
            cause: error,
          },
        );
      }
      if (held === false)
        throw new SimulationError("invariant", `always "${name}" does not hold at t=${formatMs(this.now)}`);
      return false;
    });
  }

  /** Resolves when `condition` holds; the run fails when it does not within that much virtual time. */
  eventually(name: string, condition: () => boolean, withinMs: number): Promise<void> {
    const start = this.now;
    const failed = () =>
      new SimulationError(
        "invariant",
        `eventually "${name}" did not hold within ${formatMs(withinMs)} from t=${formatMs(start)}`,
      );
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      const deadline = setTimeout(() => {
        if (!condition()) this.#kernel.fail("invariant", failed());
      }, withinMs);
      this.#kernel.watch(() => {
        if (!condition()) return false;
        clearTimeout(deadline);
        resolve();
        return true;
      });
    });
  }
}
