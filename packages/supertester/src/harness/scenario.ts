import { IsolationError, SupertesterError } from "../context/errors.ts";
import { turn } from "../context/real-time.ts";
import { SeededRandom } from "../world/seeded-random.ts";

/**
 * Actors that share a state, and what must hold of it whatever the order in which they get to run. The same scenario runs
 * natively (`runScenario`) and in a simulation (`scenarioBody`), unchanged.
 */
export interface Scenario<State> {
  /** Makes the state; anew for every run. */
  setup(): State | Promise<State>;
  /** What runs concurrently, by name. At least one. */
  readonly actors: Readonly<Record<string, (state: State) => Promise<void>>>;
  /** Throws, or returns false, when the state is wrong. Checked whenever no actor can go on without the event loop, and at the end. */
  invariant?(state: State): boolean | void;
  /** Runs at the end, whatever happened. */
  cleanup?(state: State): unknown;
}

/** How a scenario is run natively. */
export interface ScenarioOptions {
  /** Decides the order in which the actors begin and how many turns each begins late. Default 1. */
  readonly seed?: number | string;
}

/** Something that an actor did, in order. */
export interface ScenarioEvent {
  readonly actor: string;
  readonly kind: "began" | "finished" | "failed";
  /** Turns of the event loop since the start. */
  readonly turn: number;
}

/** What a run went through; kept when it fails, too. */
export interface ScenarioReport {
  readonly seed: number | string;
  readonly events: readonly ScenarioEvent[];
  /** How often the invariant was checked. */
  readonly checks: number;
}

/** An actor failed, the invariant did not hold, or the cleanup failed; `report` has what led there, `cause` the error. */
export class ScenarioError extends SupertesterError {
  override name = "ScenarioError";
  /** `invariant`, `cleanup`, or the name of the actor that failed. */
  readonly where: string;
  readonly report: ScenarioReport;

  constructor(where: string, report: ScenarioReport, cause: unknown) {
    const events = report.events.map((event) => `  turn ${event.turn}: ${event.actor} ${event.kind}`).join("\n");
    const message = cause instanceof Error ? cause.message : String(cause);
    super(`${where} failed with seed ${report.seed}: ${message}\n${events}`, { cause });
    this.where = where;
    this.report = report;
  }
}

function check<State>(scenario: Scenario<State>, state: State): void {
  if (scenario.invariant?.(state) === false) throw new Error("the invariant returned false");
}

function actorsOf<State>(scenario: Scenario<State>): [string, (state: State) => Promise<void>][] {
  const actors = Object.entries(scenario.actors);
  if (actors.length === 0)
    throw new IsolationError("invalid-argument", "a scenario without actors would check nothing: name at least one");
  return actors;
}

/**
 * Runs `scenario` once on the real event loop: actors in an order and with starting delays that the seed decides, the
 * invariant after every turn. One native run sees one schedule; `explore(scenarioBody(scenario))` sees the others.
 *
 * @throws ScenarioError; IsolationError `invalid-argument` for a scenario without actors.
 */
export async function runScenario<State>(
  scenario: Scenario<State>,
  { seed = 1 }: ScenarioOptions = {},
): Promise<ScenarioReport> {
  const random = new SeededRandom(seed);
  const order = actorsOf(scenario)
    .map(([name, act]) => ({ name, act, place: random.next(), delay: random.below(4) }))
    .sort((a, b) => a.place - b.place);
  const events: ScenarioEvent[] = [];
  let checks = 0;
  let turns = 0;
  let failure: { readonly where: string; readonly cause: unknown } | undefined;
  const failed = (where: string, cause: unknown) => (failure ??= { where, cause });
  const state = await scenario.setup();

  const running = new Set(Object.keys(scenario.actors));
  const work = order.map(async ({ name, act, delay }) => {
    const record = (kind: ScenarioEvent["kind"]) => events.push({ actor: name, kind, turn: turns });
    try {
      for (let left = delay; left > 0; left -= 1) await turn();
      record("began");
      await act(state);
      record("finished");
    } catch (error) {
      record("failed");
      failed(name, error);
    } finally {
      running.delete(name);
    }
  });
  const attempt = async (where: string, step: () => unknown) => {
    try {
      await step();
    } catch (error) {
      failed(where, error);
    }
  };
  while (running.size > 0) {
    await turn();
    turns += 1;
    if (failure !== undefined) continue;
    checks += 1;
    await attempt("invariant", () => check(scenario, state));
  }
  await Promise.all(work);
  checks += 1;
  await attempt("invariant", () => check(scenario, state));
  await attempt("cleanup", () => scenario.cleanup?.(state));
  const report = { seed, events, checks };
  if (failure !== undefined) throw new ScenarioError(failure.where, report, failure.cause);
  return report;
}

/** What a scenario needs of a simulation: `simulate` and `explore` hand it to their bodies. */
export interface ScenarioSimulation {
  spawn<T>(name: string, run: () => Promise<T> | T): Promise<T>;
  always(name: string, invariant: () => boolean | void): void;
}

/** `scenario` as a body for `simulate` and `explore`: the actors are its tasks, the invariant holds after every step. */
export function scenarioBody<State>(scenario: Scenario<State>): (sim: ScenarioSimulation) => Promise<void> {
  return async (sim) => {
    const state = await scenario.setup();
    try {
      if (scenario.invariant !== undefined) sim.always("invariant", () => check(scenario, state));
      await Promise.all(actorsOf(scenario).map(([name, act]) => sim.spawn(name, () => act(state))));
      check(scenario, state);
    } finally {
      await scenario.cleanup?.(state);
    }
  };
}
