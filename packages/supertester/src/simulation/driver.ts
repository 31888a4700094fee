import { real } from "../world/real.ts";
import { runOutsideWorlds } from "../world/world.ts";

/**
 * What a running simulation waits for: `drain`, until all queued next-ticks and microtasks have run; `turn`, a real turn
 * of the event loop; a number, that many real milliseconds.
 */
export type Pause = "drain" | "turn" | number;

/** Work that yields whenever it needs the queues to run. */
export type Resumable<T> = Generator<Pause, T, void>;

/** Real milliseconds after which a driver lets the rest of the process run. */
const sliceMs = 20;

/**
 * Node's own way to run the next-tick and microtask queues now, which it uses between timers. Undocumented, present in
 * every supported Node; where it is missing, each drain costs a turn of the event loop.
 */
const tick = (process as { _tickCallback?: () => void })._tickCallback;

/**
 * Runs `work` to its end in macrotasks of its own, several pieces of work side by side. Draining synchronously only works
 * from a macrotask, never from inside a microtask.
 */
export function drive<T>(work: Resumable<T>, mode: "auto" | "sync" | "turn" = "auto"): Promise<T> {
  const drain = mode === "turn" ? undefined : tick?.bind(process);
  if (mode === "sync" && drain === undefined) {
    throw new Error('This runtime has no process._tickCallback, so driver: "sync" is not possible. Use "auto".');
  }
  return new Promise((resolve, reject) => {
    const slice = () => {
      const end = real.performanceNow() + sliceMs;
      try {
        for (;;) {
          const { done, value } = work.next();
          if (done === true) {
            resolve(value);
            return;
          }
          if (typeof value === "number") {
            real.setTimeout(slice, value);
            return;
          }
          if (value === "turn" || drain === undefined || real.performanceNow() > end) {
            real.setImmediate(slice);
            return;
          }
          drain();
        }
      } catch (error) {
        reject(error);
      }
    };
    runOutsideWorlds(() => real.setImmediate(slice));
  });
}
