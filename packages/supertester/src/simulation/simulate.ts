import { installWorldShims } from "../world/install.ts";
import { areTimersInPlace } from "../world/timer-shims.ts";
import { currentWorld } from "../world/world.ts";
import { naturalOrder, type Chooser } from "./chooser.ts";
import { drive, type Resumable } from "./driver.ts";
import { withEscapeDetection } from "./escape-detection.ts";
import { Kernel, type Observer } from "./kernel.ts";
import type { RunOutcome } from "./run-outcome.ts";
import { Lane } from "./lane.ts";
import { runSettings, type RunOptions, type RunSettings } from "./options.ts";
import { Sim } from "./sim.ts";

/** A test body, or any program, that is run under a controlled schedule. */
export type SimBody<T = void> = (sim: Sim) => Promise<T> | T;

/** How one schedule of an exploration is run. */
export interface ScheduleOptions {
  readonly observer?: Observer | undefined;
  /** Default 30; see `Kernel.graceMs`. */
  readonly graceMs?: number;
}

/** One schedule of `body`, as work for a driver. */
export function* runSchedule<T>(
  body: SimBody<T>,
  settings: RunSettings,
  chooser: Chooser,
  { observer, graceMs }: ScheduleOptions = {},
): Resumable<RunOutcome<T>> {
  const kernel = new Kernel(settings, chooser, observer);
  if (graceMs !== undefined) kernel.graceMs = graceMs;
  const sim = new Sim(kernel);
  return yield* kernel.run(() => body(sim));
}

/** Runs `work` with the shims in place and with escapes watched for. Throws inside a simulation: they do not nest. */
export function inControl<T>(settings: RunSettings, work: () => Resumable<T>): Promise<T> {
  if (currentWorld() instanceof Lane) throw new Error("simulate and explore cannot be called inside a simulation");
  installWorldShims();
  if (!areTimersInPlace()) {
    throw new Error(
      "The global timers have been replaced, by fake timers perhaps. A simulation has its own: restore the real ones first.",
    );
  }
  const driven = () => drive(work(), settings.driver);
  return settings.escapes === "ignore" ? driven() : withEscapeDetection(driven);
}

/**
 * Runs `body` once in virtual time, in the order in which an unloaded event loop with the shortest latencies would.
 * Resolves with what it returns; rejects with what it throws, or with a `SimulationError` that says what went wrong.
 */
export async function simulate<T>(body: SimBody<T>, options: RunOptions = {}): Promise<T> {
  const settings = runSettings(options);
  const { failure, value } = await inControl(settings, () => runSchedule(body, settings, naturalOrder));
  if (failure !== undefined) throw failure.error;
  return value as T;
}
