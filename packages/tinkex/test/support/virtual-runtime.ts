import type { Runtime, SleepOptions } from "../../src/runtime.ts";

interface Timer {
  readonly due: number;
  readonly order: number;
  readonly fire: () => void;
}

/**
 * A runtime whose clock moves only when a test says so, and which remembers every wait. Background waits (deadlines,
 * heartbeats) fire like the others but are not in `sleeps`, which lists what the code chose to wait.
 */
export class VirtualRuntime implements Runtime {
  readonly sleeps: number[] = [];
  readonly #timers = new Set<Timer>();
  readonly #fetch: (request: Request, runtime: VirtualRuntime) => Promise<Response>;
  #now = 1000;
  #order = 0;

  constructor(fetch: (request: Request, runtime: VirtualRuntime) => Promise<Response> = unexpectedFetch) {
    this.#fetch = fetch;
  }

  now(): number {
    return this.#now;
  }

  random(): number {
    return 0;
  }

  fetch(request: Request): Promise<Response> {
    return this.#fetch(request, this);
  }

  get pendingTimers(): number {
    return this.#timers.size;
  }

  async sleep(ms: number, { signal, background = false }: SleepOptions = {}): Promise<void> {
    signal?.throwIfAborted();
    if (!background) this.sleeps.push(ms);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer: Timer = { due: this.#now + ms, order: this.#order++, fire: resolve };
    this.#timers.add(timer);
    const onAbort = (): void => reject(signal?.reason);
    signal?.addEventListener("abort", onAbort);
    try {
      await promise;
    } finally {
      this.#timers.delete(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** Lets `ms` pass, firing what falls due in order and letting everything settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (let next = this.#next(); next && next.due <= end; next = this.#next()) {
      this.#fire(next);
      await settle();
    }
    this.#now = end;
  }

  /** Lets time pass until `promise` has settled, then settles like it. Fails if nothing is left that could settle it. */
  async run<T>(promise: PromiseLike<T>): Promise<T> {
    let settled = false;
    const watch = (): void => {
      settled = true;
    };
    promise.then(watch, watch);
    for (;;) {
      await settle();
      if (settled) return await promise;
      const next = this.#next();
      if (!next) throw new Error("Nothing is left to happen, and the promise is still pending");
      this.#fire(next);
    }
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (!next || timer.due < next.due || (timer.due === next.due && timer.order < next.order)) next = timer;
    }
    return next;
  }

  #fire(timer: Timer): void {
    this.#now = Math.max(this.#now, timer.due);
    this.#timers.delete(timer);
    timer.fire();
  }
}

/** Lets everything run that needs no time: microtasks, and the turns that streams of in-memory bodies take. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** A promise that a test resolves by hand. */
export function gate<T = void>(): PromiseWithResolvers<T> {
  return Promise.withResolvers<T>();
}

/** Whether `promise` is still pending when nothing more can happen without time. */
export async function isPending(promise: PromiseLike<unknown>): Promise<boolean> {
  let pending = true;
  const watch = (): void => {
    pending = false;
  };
  promise.then(watch, watch);
  await settle();
  return pending;
}

function unexpectedFetch(request: Request): Promise<Response> {
  throw new Error(`This test makes no requests, but ${request.method} ${request.url} was sent`);
}
