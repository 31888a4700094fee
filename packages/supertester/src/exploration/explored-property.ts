import type { Sim } from "../simulation/sim.ts";
import { exploreAs, identify, type ExploreOptions } from "./explore.ts";

/** What must hold for all generated values under all schedules. */
export type ExploredPropertyBody<Values extends unknown[]> = (sim: Sim, ...values: Values) => Promise<void> | void;

/**
 * The predicate of a fast-check `asyncProperty` whose last arbitrary is the seed of the schedules:
 *
 * ```ts
 * fc.asyncProperty(fc.array(operation), fc.noShrink(fc.nat()), exploredProperty(async (sim, operations) => { ... }))
 * ```
 *
 * fast-check generates and shrinks the values, one seed of its own deciding everything; for each set of values the
 * schedules are explored, and shrunk, here. A failure prints both: fast-check's seed and path for the values, and a replay
 * token for the schedule, which counts for those values. Default 20 schedules per set of values.
 */
export function exploredProperty<Values extends unknown[]>(
  body: ExploredPropertyBody<Values>,
  options: ExploreOptions = {},
): (...valuesAndSeed: [...Values, seed: number]) => Promise<void> {
  const here = identify(options.name, exploredProperty);
  return async (...valuesAndSeed) => {
    const values = valuesAndSeed.slice(0, -1) as Values;
    const seed = valuesAndSeed.at(-1) as number;
    await exploreAs(here, (sim) => body(sim, ...values), { runs: 20, seed, ...options });
  };
}
