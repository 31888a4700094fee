import { setTimeout as delay } from "node:timers/promises";

/** Everything the server knows of time and chance, so that it can run under a virtual clock. */
export interface Runtime {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Resolves after `ms` milliseconds; when `signal` aborts it rejects at once and leaves no timer behind. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** From 0 to 1, exclusive. Only makes ids unique, never secret. Default `Math.random`. */
  random?(): number;
}

/** The machine's clock. */
export const realRuntime: Runtime = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, { signal });
  },
};

/** The runtime's chance, or the machine's. */
export const random = (runtime: Runtime): number => runtime.random?.() ?? Math.random();

/** Twelve hexadecimal digits: enough that ids of one server never meet those of a server before it. */
export function uniqueId(runtime: Runtime): string {
  return Math.floor(random(runtime) * 2 ** 48)
    .toString(16)
    .padStart(12, "0");
}
