import { ClosedError } from "../errors.ts";
import { abortable, linkSignals } from "./linked-signal.ts";

/**
 * Owns what a client starts, and ends it. Operations are waited for; background loops are cut; then clean-up runs in
 * reverse order. Children end before their parent, and ending a child touches nothing of its parent's.
 *
 * After `close` or `destroy` has resolved, nothing of the client runs any more.
 */
export class Lifetime {
  readonly name: string;
  readonly #parent: Lifetime | undefined;
  readonly #children = new Set<Lifetime>();
  readonly #operations = new Set<Promise<unknown>>();
  readonly #background = new Set<Promise<unknown>>();
  readonly #cleanups: (() => void | Promise<void>)[] = [];
  readonly #controller = new AbortController();
  #ending: Promise<void> | undefined;

  constructor(name: string, parent?: Lifetime) {
    parent?.assertOpen();
    this.name = name;
    this.#parent = parent;
    if (parent) parent.#children.add(this);
  }

  /** Aborts with a `ClosedError` when the client is cut, or when closing has drained it. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Throws a `ClosedError` as soon as closing has begun. */
  assertOpen(): void {
    if (this.#ending) throw new ClosedError(this.name);
    this.#parent?.assertOpen();
  }

  /** Makes closing wait for `operation`, however it ends. */
  track<T>(operation: Promise<T>): Promise<T> {
    return hold(this.#operations, operation);
  }

  /**
   * Runs `work` as one operation: refused when closing has begun, waited for by closing, and given a signal that aborts
   * when the caller's does or the client is cut.
   */
  async run<T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.assertOpen();
    using linked = linkSignals(signal, this.signal);
    return await this.track(work(linked.signal));
  }

  /** Runs a loop until the lifetime ends. It must stop when the signal aborts; what it throws after that is ignored. */
  runInBackground(loop: (signal: AbortSignal) => Promise<void>): void {
    void hold(
      this.#background,
      loop(this.signal).catch(() => undefined),
    );
  }

  /** Runs `cleanup` at the end, after everything deferred later. */
  defer(cleanup: () => void | Promise<void>): void {
    this.#cleanups.push(cleanup);
  }

  /**
   * Refuses new operations, waits for those under way, then ends. Any number of callers share one closing. Aborting
   * `signal` turns it into `destroy`.
   */
  async close(signal?: AbortSignal): Promise<void> {
    this.#ending ??= this.#end();
    try {
      await abortable(this.#ending, signal);
    } catch (error) {
      if (!signal?.aborted) throw error;
      await this.destroy();
    }
  }

  /** Ends now: operations under way reject with a `ClosedError`. */
  async destroy(): Promise<void> {
    this.#ending ??= this.#end();
    this.#abort();
    await this.#ending;
  }

  #abort(): void {
    for (const child of this.#children) child.#abort();
    this.#controller.abort(new ClosedError(this.name));
  }

  async #end(): Promise<void> {
    // In a later microtask: `#ending` is what makes new operations fail, so it must be set before anything is awaited.
    await Promise.resolve();
    await Promise.all([...this.#children].map((child) => child.close()));
    while (this.#operations.size > 0) await Promise.allSettled(this.#operations);
    this.#controller.abort(new ClosedError(this.name));
    await Promise.allSettled(this.#background);
    for (const cleanup of this.#cleanups.splice(0).toReversed()) await cleanup();
    if (this.#parent) this.#parent.#children.delete(this);
  }
}

function hold<T>(set: Set<Promise<unknown>>, promise: Promise<T>): Promise<T> {
  set.add(promise);
  const drop = (): boolean => set.delete(promise);
  promise.then(drop, drop);
  return promise;
}
