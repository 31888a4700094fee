import { SeededRandom } from "../world/seeded-random.ts";
import { real } from "../world/real.ts";
import { callSite } from "../simulation/call-site.ts";
import type { Resumable } from "../simulation/driver.ts";
import type { RunFailure } from "../simulation/failure.ts";
import type { RunOutcome } from "../simulation/run-outcome.ts";
import { checkPositive, runSettings, type RunOptions, type RunSettings } from "../simulation/options.ts";
import { inControl, runSchedule, type SimBody } from "../simulation/simulate.ts";
import { BoundedDelays } from "./bounded-delays.ts";
import { ExhaustiveSearch } from "./exhaustive-search.ts";
import { checkDeterminism, investigate, replayRecording, siteHash, type Identity } from "./investigate.ts";
import { journal, recorded } from "./journal.ts";
import { Portfolio } from "./portfolio.ts";
import { PrioritySearch } from "./priority-search.ts";
import { RandomWalk } from "./random-walk.ts";
import { decodeToken } from "./replay-token.ts";
import { ScheduleFailure } from "./schedule-failure.ts";
import type { ExploreReport, Strategy } from "./strategy.ts";

export type { ExploreReport } from "./strategy.ts";

/** Options of `explore`. The environment's SUPERTESTER_SEED overrides `seed`. */
export interface ExploreOptions extends RunOptions {
  /**
   * How to search; default `auto`.
   *
   * - `auto`: in full when the space is small, else `delays`, `random` and `pct` in turns
   * - `random`: uniform random walks
   * - `pct`: random priorities with `depth - 1` changes
   * - `delays`: every schedule with at most `delays` delayed events
   * - `exhaustive`: every legal schedule
   */
  readonly strategy?: "auto" | "random" | "pct" | "delays" | "exhaustive";
  /** Schedules to run at most. Default 200; the environment's SUPERTESTER_RUNS overrides it. */
  readonly runs?: number;
  /** Real milliseconds to spend at most. Default 2000; the environment's SUPERTESTER_MS overrides it, and then lifts `runs`. */
  readonly timeMs?: number;
  /** Bound of the `delays` strategy. Default 1. */
  readonly delays?: number;
  /** Ordering constraints that `pct` aims at. Default 3. */
  readonly depth?: number;
  /** Token of a failure, to run only that schedule. The environment's SUPERTESTER_REPLAY does the same. */
  readonly replay?: string;
  /** Tells this exploration from others when tokens are replayed. Default: the file and line of the call. */
  readonly name?: string;
  /** Called about once a second. Default: prints to standard error when SUPERTESTER_MS is set, else nothing. */
  readonly onProgress?: (progress: ExploreProgress) => void;
}

/** How far an exploration is. */
export interface ExploreProgress {
  readonly runs: number;
  readonly distinct: number;
  /** Real milliseconds since the start. */
  readonly ms: number;
}

/** The run after which determinism is checked: not the first, which may warm up a cache and be none the worse for it. */
const determinismCheckAt = 3;

/** Options with defaults and environment applied. */
interface Budget {
  readonly runs: number;
  readonly timeMs: number;
}

/**
 * Runs `body` under many schedules, each from scratch and in virtual time, until one fails or the budget is spent.
 * `body` must build its world anew each time: state outside it survives from run to run.
 *
 * Rejects with a `ScheduleFailure` that holds the smallest explanation found and a token to replay it.
 */
export function explore(body: SimBody, options: ExploreOptions = {}): Promise<ExploreReport> {
  const here = identify(options.name, explore);
  return exploreAs(here, body, options);
}

/** Names an exploration after the line that called `caller`, which is left out of the stack. */
export function identify(name: string | undefined, caller: (...args: never[]) => unknown): Identity {
  const at = { stack: "" };
  Error.captureStackTrace(at, caller);
  const site = callSite(at.stack);
  return { name: name ?? site ?? "explore", site, frames: at.stack.split("\n").slice(1).join("\n") };
}

/** `explore`, under another identity than its call site. */
export async function exploreAs(identity: Identity, body: SimBody, options: ExploreOptions): Promise<ExploreReport> {
  const { SUPERTESTER_SEED } = process.env;
  const hasSeed = SUPERTESTER_SEED !== undefined && SUPERTESTER_SEED !== "";
  const settings = runSettings(hasSeed ? { ...options, seed: SUPERTESTER_SEED } : options);
  const budget = budgetOf(options);
  const replay = replayFor(options, identity.name);
  const about = { name: identity.name, isReplay: replay !== undefined };
  try {
    const report = await inControl(settings, function* () {
      if (replay !== undefined) return yield* replayRecording(body, settings, replay, identity);
      return yield* search(body, settings, options, budget, identity);
    });
    journal({ ...about, type: "passed", report });
    return report;
  } catch (error) {
    if (error instanceof ScheduleFailure) journal({ ...about, type: "failed", failure: recorded(error) });
    throw error;
  }
}

function* search(
  body: SimBody,
  settings: RunSettings,
  options: ExploreOptions,
  budget: Budget,
  identity: Identity,
): Resumable<ExploreReport> {
  const start = real.performanceNow();
  const strategy = strategyOf(options, new SeededRandom(settings.seed), budget);
  const schedules = new Set<number>();
  let runs = 0;
  let steps = 0;
  let nextProgress = 1000;
  const onProgress = options.onProgress ?? (isHunt() ? printProgress(identity.name) : undefined);
  for (;;) {
    const ms = real.performanceNow() - start;
    const attempt = runs < budget.runs && (runs === 0 || ms < budget.timeMs) ? strategy.next() : undefined;
    if (attempt === undefined) return { runs, distinct: schedules.size, steps, ms, coverage: strategy.coverage };
    // Data changes only where no statement about all schedules is made, and never in the very first run.
    const seed = attempt.variesData && runs > 0 ? `${settings.seed}/${runs}` : settings.seed;
    const runSettingsNow = { ...settings, seed };
    const outcome: RunOutcome<unknown> = yield* runSchedule(body, runSettingsNow, attempt.chooser);
    runs++;
    steps += outcome.log.length;
    schedules.add(outcome.hash);
    attempt.done?.(outcome);
    if (runs === determinismCheckAt) yield* checkDeterminism(body, settings, identity);
    if (hasFailed(outcome)) throw yield* investigate(body, runSettingsNow, outcome, runs, identity);
    if (onProgress !== undefined && ms > nextProgress) {
      nextProgress = ms + 1000;
      onProgress({ runs, distinct: schedules.size, ms });
    }
  }
}

function hasFailed(outcome: RunOutcome<unknown>): outcome is RunOutcome<unknown> & { readonly failure: RunFailure } {
  return outcome.failure !== undefined;
}

function strategyOf(options: ExploreOptions, random: SeededRandom, { runs }: Budget): Strategy {
  const { strategy = "auto", delays = 1, depth = 3 } = options;
  const strategies: Record<NonNullable<ExploreOptions["strategy"]>, () => Strategy> = {
    auto: () => new Portfolio(random, Math.min(runs, 10_000)),
    random: () => new RandomWalk(random),
    pct: () => new PrioritySearch(random, checkPositive("depth", depth)),
    delays: () => new BoundedDelays(checkPositive("delays", delays)),
    exhaustive: () => new ExhaustiveSearch(),
  };
  return strategies[strategy]();
}

/** Whether the environment asks for a long search. */
function isHunt(): boolean {
  const { SUPERTESTER_MS } = process.env;
  return SUPERTESTER_MS !== undefined && SUPERTESTER_MS !== "";
}

function printProgress(name: string): (progress: ExploreProgress) => void {
  return ({ runs, distinct, ms }) => {
    if (journal({ name, isReplay: false, type: "progress", runs, distinct, ms })) return;
    const seconds = Math.round(ms / 1000);
    process.stderr.write(`${name}: ${runs} schedules, ${distinct} of them different, in ${seconds} s\n`);
  };
}

function budgetOf({ runs, timeMs }: ExploreOptions): Budget {
  const { SUPERTESTER_RUNS, SUPERTESTER_MS } = process.env;
  const hunt = isHunt();
  const given = SUPERTESTER_RUNS !== undefined && SUPERTESTER_RUNS !== "";
  return {
    runs: checkPositive("runs", given ? Number(SUPERTESTER_RUNS) : hunt ? Infinity : (runs ?? 200)),
    timeMs: checkPositive("timeMs", hunt ? Number(SUPERTESTER_MS) : given ? Infinity : (timeMs ?? 2000)),
  };
}

/** A token from the environment concerns one exploration; the others run as usual. */
function replayFor({ replay }: ExploreOptions, name: string): ReturnType<typeof decodeToken> | undefined {
  if (replay !== undefined) return decodeToken(replay);
  const fromEnvironment = process.env["SUPERTESTER_REPLAY"];
  if (fromEnvironment === undefined || fromEnvironment === "") return undefined;
  const recording = decodeToken(fromEnvironment);
  return recording.site === siteHash(name) ? recording : undefined;
}
