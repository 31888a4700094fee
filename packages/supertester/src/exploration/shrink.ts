import type { Chooser } from "../simulation/chooser.ts";
import { isSameFailure, type RunFailure } from "../simulation/failure.ts";
import type { Resumable } from "../simulation/driver.ts";
import type { SimEvent } from "../simulation/event.ts";
import type { RunOutcome } from "../simulation/run-outcome.ts";
import { real } from "../world/real.ts";
import { BoundedDelays } from "./bounded-delays.ts";
import { late, naturalPlan, PlanFollower, planSize, type Hold, type Plan } from "./plan.ts";

type FailedRun = RunOutcome<unknown> & { readonly failure: RunFailure };

/** A plan, and the failing run it leads to. */
export interface Reproduction {
  readonly plan: Plan;
  readonly outcome: FailedRun;
}

/** Runs the body once under a chooser. */
export type RunOnce = (chooser: Chooser) => Resumable<RunOutcome<unknown>>;

/** Of the budget, what may go into trying every single delay when the failing run's own delays do not reduce to two. */
const systematicShare = 0.6;

/** Real milliseconds that shrinking takes at most: a livelock is a hundred thousand steps per run. */
const maxMs = 5000;

/** Alternative places that a single delay is tried at, per event. */
const maxPlaces = 12;

/**
 * Finds a smallest plan with the same failure, by the identity of events rather than by position: what the failing run
 * delayed is restated as holds ("X not before Y"), of which one, or two, nearly always suffice and are the explanation.
 * Tries at most `budget` runs.
 */
export function* shrink(failing: FailedRun, run: RunOnce, budget: number): Resumable<Reproduction> {
  const end = real.performanceNow() + maxMs;
  let left = budget;
  const reproduction = (plan: Plan, outcome: RunOutcome<unknown>): Reproduction | undefined => {
    const { failure } = outcome;
    return failure !== undefined && isSameFailure(failure, failing.failure)
      ? { plan, outcome: { ...outcome, failure } }
      : undefined;
  };
  const attempt = function* (plan: Plan): Resumable<Reproduction | undefined> {
    if (left-- <= 0 || real.performanceNow() > end) return undefined;
    return reproduction(plan, yield* run(new PlanFollower(plan, false)));
  };

  const natural = yield* attempt(naturalPlan);
  if (natural !== undefined) return natural;

  const overtakes = overtakesOf(failing);
  const choices = failing.choices.filter(({ value }) => value !== 0).map(({ id, value }) => ({ id, value }));
  for (const choice of choices) {
    const single = yield* attempt({ ...naturalPlan, choices: [choice] });
    if (single !== undefined) return single;
  }
  for (const holds of overtakes) {
    // A long run has more delays than can be tried one by one; the rest of the budget is for reducing them together.
    if (left < budget / 2) break;
    // The last event that overtook explains best where the delayed one ended up; earlier ones may explain less.
    for (const hold of holds.slice(0, maxPlaces)) {
      const single = yield* attempt({ ...naturalPlan, holds: [hold], choices });
      if (single !== undefined) return yield* minimize(single, attempt);
    }
  }
  const all = yield* attempt({
    holds: overtakes.flatMap((holds) => holds.filter(({ past }, at) => at === 0 || past === late)),
    choices,
    script: [],
  });
  const lateOnes = overtakes.flat().filter(({ past }) => past === late);
  const script = { holds: lateOnes, choices, script: failing.deviations };
  const start = all ?? (yield* attempt(script)) ?? { plan: script, outcome: failing };
  const minimal = yield* minimize(start, attempt);
  if (planSize(minimal.plan) <= 2) return minimal;
  // A plan without superfluous parts is not yet a smallest one: one or two other delays may do.
  const systematic = new BoundedDelays(1);
  for (let tries = budget * systematicShare; tries > 0 && real.performanceNow() < end; tries--) {
    const next = systematic.next();
    if (next === undefined) break;
    const outcome = yield* run(next.chooser);
    next.done?.(outcome);
    const single = reproduction(next.plan, outcome);
    if (single !== undefined) return single;
  }
  return (yield* smallestPair(overtakes, choices, attempt)) ?? minimal;
}

/** Two of the failing run's delays that suffice. */
function* smallestPair(
  overtakes: readonly Hold[][],
  choices: Plan["choices"],
  attempt: Attempt,
): Resumable<Reproduction | undefined> {
  const candidates = overtakes.flatMap((holds) => holds.slice(0, 2)).slice(0, 24);
  for (const [index, first] of candidates.entries()) {
    for (const second of candidates.slice(index + 1)) {
      if (first.event === second.event) continue;
      const pair = yield* attempt({ ...naturalPlan, holds: [first, second], choices });
      if (pair !== undefined) return yield* minimize(pair, attempt);
    }
  }
  return undefined;
}

/**
 * For each event that ran later than it naturally would have: the holds past each event that overtook it, the last
 * overtaker first. Events that were delayed closest to the failure come first.
 */
function overtakesOf({ log, pending, cancelled }: RunOutcome<unknown>): Hold[][] {
  const places = [
    ...log.map((event, step) => ({ event, step })),
    ...cancelled,
    ...pending.map((event) => ({ event, step: log.length })),
  ].sort((a, b) => a.step - b.step);
  const delayed: Hold[][] = [];
  for (const { event, step } of places.toReversed()) {
    const holds: Hold[] = [];
    for (let before = step - 1; before >= 0; before--) {
      const other = log[before];
      // Before its own creation nothing can have overtaken the event.
      if (other === undefined || other.createdWhenRun <= event.order) break;
      if (isNaturallyBefore(event, other)) holds.push({ event: event.id, past: other.id });
    }
    if (event.lateness === "taken") holds.push({ event: event.id, past: late });
    if (holds.length > 0) delayed.push(holds);
  }
  return delayed;
}

function isNaturallyBefore(a: SimEvent, b: SimEvent): boolean {
  return a.earliest < b.earliest || (a.earliest === b.earliest && a.order < b.order);
}

type Attempt = (plan: Plan) => Resumable<Reproduction | undefined>;

/** Delta debugging (Zeller and Hildebrandt, 2002) over the parts of a plan: ends when no single part can be left out. */
function* minimize(start: Reproduction, attempt: Attempt): Resumable<Reproduction> {
  let best = start;
  for (let chunk = Math.ceil(planSize(best.plan) / 2); chunk >= 1; chunk = chunk === 1 ? 0 : Math.ceil(chunk / 2)) {
    for (let at = 0; at < planSize(best.plan) && planSize(best.plan) > 1;) {
      const smaller = yield* attempt(without(best.plan, at, at + chunk));
      if (smaller === undefined) at += chunk;
      else best = smaller;
    }
  }
  return best;
}

/** The plan without the parts in [from, to), counted over holds, choices and script in this order. */
function without({ holds, choices, script }: Plan, from: number, to: number): Plan {
  const isKept = (offset: number) => (_: unknown, index: number) => offset + index < from || offset + index >= to;
  return {
    holds: holds.filter(isKept(0)),
    choices: choices.filter(isKept(holds.length)),
    script: script.filter(isKept(holds.length + choices.length)),
  };
}
