import { hashText, mix } from "../world/seeded-random.ts";
import { naturalOrder, type Chooser } from "../simulation/chooser.ts";
import type { Resumable } from "../simulation/driver.ts";
import { isSameFailure, SimulationError, type RunFailure } from "../simulation/failure.ts";
import type { RunOutcome } from "../simulation/run-outcome.ts";
import type { RunSettings } from "../simulation/options.ts";
import { runSchedule, type SimBody } from "../simulation/simulate.ts";
import { late, naturalPlan, PlanFollower, type Plan } from "./plan.ts";
import { encodeToken, type Recording } from "./replay-token.ts";
import { renderReport } from "./report.ts";
import { ScheduleFailure, type FailureDetails } from "./schedule-failure.ts";
import { shrink } from "./shrink.ts";
import type { ExploreReport } from "./strategy.ts";
import { Tracer } from "./tracer.ts";

type FailedRun = RunOutcome<unknown> & { readonly failure: RunFailure };

/** The exploration that a failure belongs to. */
export interface Identity {
  readonly name: string;
  /** `function file:line:column` of the call. */
  readonly site: string | undefined;
  /** The stack frames of the call, as text. */
  readonly frames: string;
}

/** Runs that shrinking may take. Bugs of the size of a test need a few, seldom more than a hundred. */
const shrinkBudget = 600;

/** Minimises a failing run, makes sure that it replays, and traces it. */
export function* investigate(
  body: SimBody,
  settings: RunSettings,
  failing: FailedRun,
  runs: number,
  identity: Identity,
): Resumable<ScheduleFailure> {
  // The wait that tells a deadlock from an escape has been had; only an escape that showed in it needs it again.
  const graceMs = failing.failure.kind === "escape" ? 30 : 0;
  let shrinkRuns = 0;
  const run = function* (chooser: Chooser): Resumable<RunOutcome<unknown>> {
    shrinkRuns++;
    return yield* runSchedule(body, settings, chooser, { graceMs });
  };
  const { plan, outcome } = yield* shrink(failing, run, shrinkBudget);
  for (let replay = 0; replay < 2; replay++) {
    const again = yield* runSchedule(body, settings, new PlanFollower(plan, true), { graceMs });
    const difference = differenceBetween(outcome, again);
    if (difference === undefined) continue;
    const verdict = nondeterminism("when the failing schedule was repeated", difference, outcome.failure.error);
    return yield* report(body, settings, plan, outcome, { runs, shrinkRuns, identity, verdict });
  }
  return yield* report(body, settings, plan, outcome, { runs, shrinkRuns, identity });
}

/**
 * Runs the natural schedule twice. When it is not the same twice, nothing that an exploration says can be relied on, and
 * it fails with the step at which the runs parted.
 */
export function* checkDeterminism(body: SimBody, settings: RunSettings, identity: Identity): Resumable<void> {
  const first = yield* runSchedule(body, settings, naturalOrder);
  const second = yield* runSchedule(body, settings, naturalOrder);
  if (first.hash === second.hash) return;
  const difference = parting(first, second) ?? "the choices differ";
  const verdict = nondeterminism("when the natural schedule was repeated", difference, first.failure?.error);
  throw yield* report(
    body,
    settings,
    naturalPlan,
    { ...first, failure: verdict },
    { runs: 2, shrinkRuns: 0, identity, verdict },
  );
}

/** Runs the schedule of a token; resolves when it no longer fails. */
export function* replayRecording(
  body: SimBody,
  settings: RunSettings,
  { seed, plan, fingerprint }: Recording,
  identity: Identity,
): Resumable<ExploreReport> {
  const replaySettings = { ...settings, seed };
  const outcome = yield* runSchedule(body, replaySettings, new PlanFollower(plan, true));
  const { failure } = outcome;
  if (failure !== undefined) {
    const changed = fingerprintOf(outcome) !== fingerprint && failure.kind !== "nondeterminism";
    const difference = changed
      ? "the token was recorded with another version of the program: its events differ"
      : undefined;
    const failed: FailedRun = { ...outcome, failure };
    throw yield* report(body, replaySettings, plan, failed, {
      runs: 1,
      shrinkRuns: 0,
      identity,
      note: difference,
    });
  }
  return { runs: 1, distinct: 1, steps: outcome.log.length, ms: 0, coverage: "sampled" };
}

interface Circumstances {
  readonly runs: number;
  readonly shrinkRuns: number;
  readonly identity: Identity;
  /** Reported in the place of what the traced run fails with. */
  readonly verdict?: RunFailure;
  readonly note?: string | undefined;
}

function* report(
  body: SimBody,
  settings: RunSettings,
  plan: Plan,
  outcome: FailedRun,
  { runs, shrinkRuns, identity, verdict, note }: Circumstances,
): Resumable<ScheduleFailure> {
  const tracer = new Tracer();
  tracer.start();
  let traced: RunOutcome<unknown>;
  try {
    traced = yield* runSchedule(body, settings, new PlanFollower(plan, false), { observer: tracer, graceMs: 0 });
  } finally {
    tracer.stop();
  }
  const failure = verdict ?? traced.failure ?? outcome.failure;
  const recording = {
    site: siteHash(identity.name),
    seed: String(settings.seed),
    plan,
    fingerprint: fingerprintOf(outcome),
  };
  const replay = encodeToken(recording);
  const nameOf = (id: number) => tracer.names.get(id) ?? "an event that did not happen";
  const details: FailureDetails = {
    kind: failure.kind,
    error: failure.error,
    replay,
    command: replayCommand(replay, identity),
    delays: plan.holds.map(({ event, past }) => ({
      event: nameOf(event),
      past: past === late ? undefined : nameOf(past),
    })),
    decisions: outcome.choices
      .filter(({ id }) => plan.choices.some((choice) => choice.id === id))
      .map(({ label, value }) => ({ label, value })),
    scripted: plan.script.length,
    trace: tracer.steps,
    waiting: failure.kind === "deadlock" || failure.kind === "livelock" ? tracer.waiting : [],
    runs,
    shrinkRuns,
  };
  return new ScheduleFailure(
    details,
    renderReport(details) + (note === undefined ? "" : `\n  note: ${note}`),
    identity.frames,
  );
}

function differenceBetween(expected: FailedRun, actual: RunOutcome<unknown>): string | undefined {
  const step = parting(expected, actual);
  if (step !== undefined) return step;
  if (actual.failure === undefined) return "the same events ran, and nothing failed";
  if (!isSameFailure(actual.failure, expected.failure))
    return `the same events ran, and it failed as ${actual.failure.kind}`;
  return actual.hash === expected.hash ? undefined : "the choices differ";
}

/** The first step at which two runs did not run the same event. */
function parting(expected: RunOutcome<unknown>, actual: RunOutcome<unknown>): string | undefined {
  const steps = Math.max(expected.log.length, actual.log.length);
  for (let step = 0; step < steps; step++) {
    const [wanted, got] = [expected.log[step], actual.log[step]];
    if (wanted?.id !== got?.id)
      return `at step ${step} ran ${got?.key ?? "nothing"} instead of ${wanted?.key ?? "nothing"}`;
  }
  return undefined;
}

function nondeterminism(when: string, difference: string, cause?: unknown): RunFailure {
  const message =
    `nondeterminism: ${when}, ${difference}. State outside the body, or time or randomness captured before supertester ` +
    "was imported, changes from run to run.";
  return { kind: "nondeterminism", error: new SimulationError("nondeterminism", message, { cause }) };
}

function fingerprintOf({ hash }: RunOutcome<unknown>): number {
  return mix(Math.floor(hash / 0x1_0000_0000), hash >>> 0);
}

function replayCommand(token: string, { site }: Identity): string {
  const file = site?.match(/([^\s:]+):\d+:\d+$/)?.[1] ?? "<test file>";
  const runner = process.env["VITEST"] === undefined ? "node" : "npx vitest run";
  return `SUPERTESTER_REPLAY=${token} ${runner} ${file}`;
}

/** Which exploration a token belongs to. */
export function siteHash(name: string): number {
  return mix(hashText(name), 0);
}
