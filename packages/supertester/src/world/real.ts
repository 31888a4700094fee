import { performance } from "node:perf_hooks";
import { processSingleton } from "../context/process-singleton.ts";

/**
 * The functions as they were before any of them was patched. A second copy of this module would otherwise capture the
 * first copy's shims and take them for real ones.
 */
export const real: RealGlobals = processSingleton("real-globals", () => {
  return {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setImmediate: globalThis.setImmediate,
    queueMicrotask: globalThis.queueMicrotask,
    nextTick: process.nextTick.bind(process),
    Date: globalThis.Date,
    random: Math.random,
    performanceNow: performance.now.bind(performance),
  };
});

interface RealGlobals {
  readonly setTimeout: typeof globalThis.setTimeout;
  readonly clearTimeout: typeof globalThis.clearTimeout;
  readonly setImmediate: typeof globalThis.setImmediate;
  readonly queueMicrotask: typeof globalThis.queueMicrotask;
  readonly nextTick: typeof process.nextTick;
  readonly Date: DateConstructor;
  readonly random: () => number;
  readonly performanceNow: () => number;
}
