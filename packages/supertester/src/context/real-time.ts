import {
  setImmediate as nodeSetImmediate,
  setTimeout as nodeSetTimeout,
  clearTimeout as nodeClearTimeout,
} from "node:timers";
import { processSingleton } from "./process-singleton.ts";
import { runInContext } from "./scope-context.ts";

/**
 * The timers as they were when this package was first loaded. Limits on teardown and on quiescence run on these, so that
 * neither fake timers nor a virtual clock can stretch or stop them; and outside every test, so that none owns them.
 */
const real = processSingleton("real-timers", () => ({
  setTimeout: nodeSetTimeout,
  clearTimeout: nodeClearTimeout,
  setImmediate: nodeSetImmediate,
}));

/** Resolves after one turn of the event loop: every microtask and `nextTick` that was queued has run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => runInContext(undefined, () => void real.setImmediate(resolve)));
}

/** Resolves after `milliseconds` of real time. */
export function realDelay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => runInContext(undefined, () => void real.setTimeout(resolve, milliseconds)));
}

/** Whether `work` settled within `milliseconds` of real time. Rejects when `work` rejects in time. */
export function settlesWithin(work: PromiseLike<unknown>, milliseconds: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const timer = runInContext(undefined, () => real.setTimeout(resolve, milliseconds, false));
    const finish = (settle: () => void) => {
      real.clearTimeout(timer);
      settle();
    };
    work.then(
      () => finish(() => resolve(true)),
      (error: unknown) => finish(() => reject(error)),
    );
  });
}
