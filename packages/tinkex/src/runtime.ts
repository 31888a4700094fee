/** How a wait may end early, and whether it keeps the process alive. */
export interface SleepOptions {
  /** Aborting rejects the sleep with the signal's reason and frees its timer. */
  readonly signal?: AbortSignal | undefined;
  /** True for waits that must not keep an otherwise finished process running (heartbeats). Default false. */
  readonly background?: boolean;
}

/**
 * Everything the SDK takes from the outside world. Nothing else in it reads a clock, waits, draws a random number or
 * opens a connection, so a test that injects these controls all of it.
 */
export interface Runtime {
  /** Milliseconds on a clock that never goes backwards. Only differences mean anything. */
  now(): number;
  /** Resolves after `ms` milliseconds. */
  sleep(ms: number, options?: SleepOptions): Promise<void>;
  /** Uniform in [0, 1). Used for jitter. */
  random(): number;
  /** Sends a request. Must reject with the signal's reason when the request's signal aborts. */
  fetch(request: Request): Promise<Response>;
}

/** Node fires a timer at once if its delay does not fit 31 bits: about 25 days. */
const longestTimerMs = 2 ** 31 - 1;

/** The real world: monotonic clock, `setTimeout`, `Math.random` and the global `fetch`. Sleeps 25 days at most. */
export const systemRuntime: Runtime = {
  now: () => performance.now(),
  sleep: (ms, { signal, background = false } = {}) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (signal?.aborted) {
      reject(signal.reason);
      return promise;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(
      () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      },
      Math.min(ms, longestTimerMs),
    );
    if (background) timer.unref();
    signal?.addEventListener("abort", onAbort, { once: true });
    return promise;
  },
  random: () => Math.random(),
  fetch: (request) => globalThis.fetch(request),
};
