import { IsolationError } from "../../context/errors.ts";
import type { Facet, ScopeContext } from "../../context/scope-context.ts";
import { SeededRandom } from "../../world/seeded-random.ts";
import { VirtualClock, type VirtualClockOptions } from "../../world/virtual-clock.ts";
import { currentWorld, runInWorld } from "../../world/world.ts";

/** What a test's body gets in the place of the process's time and randomness; its teardown runs in real time. */
export interface ClockAndRandom {
  /** `virtual`, or how the virtual clock starts: time stands still until `scope.clock` moves it. Default: real time. */
  readonly clock?: "virtual" | VirtualClockOptions;
  /** Seeds `Math.random` and the random functions of web crypto and `node:crypto`. Default: real randomness. */
  readonly seed?: number | string;
}

const clocks: Facet<VirtualClock | undefined> = { name: "clock", create: () => undefined };

/** Runs `body` with the clock and the randomness that `options` ask for; what they leave out stays as it is for the caller. */
export function runWithClockAndRandom<T>(context: ScopeContext, { clock, seed }: ClockAndRandom, body: () => T): T {
  if (clock === undefined && seed === undefined) return body();
  const made = clock === undefined ? undefined : new VirtualClock(clock === "virtual" ? {} : clock);
  context.set(clocks, made);
  const outer = currentWorld();
  const world = {
    ...outer,
    ...(made === undefined ? {} : { clock: made }),
    ...(seed === undefined ? {} : { entropy: new SeededRandom(seed) }),
  };
  return runInWorld(world, body);
}

/** @throws IsolationError `not-isolatable` when the test did not ask for a clock of its own. */
export function clockOf(context: ScopeContext): VirtualClock {
  const clock = context.peek(clocks);
  if (clock !== undefined) return clock;
  throw new IsolationError(
    "not-isolatable",
    'this test runs in real time, so there is no clock to move: ask for one with `clock: "virtual"` in its isolation options',
  );
}
