import { explore, ScheduleFailure, type SimBody } from "supertester";
import { bugs, type Bug } from "../packages/supertester/corpus/index.ts";
import { fastCheckRuns } from "./exploration/fast-check-scheduler.ts";
import { local, plainReruns, stormy, type Weather } from "./exploration/plain-reruns.ts";
import { realThroughput, scale, simulatedThroughput } from "./exploration/throughput.ts";

export const name = "exploration";

const seeds = Array.from({ length: 20 }, (_, index) => index + 1);
const maxRuns = 3000;
const plainMs = 700;
const fastCheckMaxRuns = 200;

/** What it took to find a bug, from each seed. */
interface Search {
  /** Schedules until the first failure; undefined for seeds without one. */
  readonly runs: readonly (number | undefined)[];
  readonly ms: readonly number[];
  /** Parts of the shrunk explanation. */
  readonly causes: readonly number[];
}

async function search(body: SimBody): Promise<Search> {
  const [runs, ms, causes]: [(number | undefined)[], number[], number[]] = [[], [], []];
  for (const seed of seeds) {
    const start = performance.now();
    try {
      await explore(body, { seed, runs: maxRuns, timeMs: 10_000 });
      runs.push(undefined);
    } catch (error) {
      if (!(error instanceof ScheduleFailure)) throw error;
      const { details } = error;
      runs.push(details.runs);
      causes.push(details.delays.length + details.decisions.length + details.scripted);
    }
    ms.push(performance.now() - start);
  }
  return { runs, ms, causes };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

/** `median (maximum)`, or how many seeds found it where not all did. */
function spread(values: readonly (number | undefined)[]): string {
  const found = values.filter((value) => value !== undefined);
  if (found.length === 0) return "never";
  const text = `${median(found)} (${Math.max(...found)})`;
  return found.length === values.length ? text : `${text}, ${found.length} of ${values.length}`;
}

/** What exploring finds in the bug, and that it finds nothing in the twin: it throws if it does. */
async function explored({ buggy, fixed }: Bug) {
  const { runs, ms, causes } = await search(buggy);
  const twin = {
    delays: await explore(fixed, { strategy: "delays", delays: 1, runs: 100_000, timeMs: 20_000 }),
    sample: await explore(fixed, { runs: maxRuns, timeMs: 20_000 }),
  };
  const isProved = twin.sample.coverage === "exhausted";
  return {
    schedules: spread(runs),
    "ms, shrunk": median(ms).toFixed(0),
    causes: spread(causes),
    "twin clean in": `${twin.delays.runs}, ${isProved ? `all ${twin.sample.distinct}` : twin.sample.runs}`,
  };
}

/** What another way needs from one seed. */
async function attempt(find: () => Promise<number | undefined>): Promise<{ runs: number | undefined; ms: number }> {
  const start = performance.now();
  const runs = await find();
  return { runs, ms: performance.now() - start };
}

function figures(attempts: readonly { runs: number | undefined; ms: number }[]): string {
  const found = attempts.filter(({ runs }) => runs !== undefined);
  const time = found.length === 0 ? "" : `; ${median(found.map(({ ms }) => ms)).toFixed(0)} ms`;
  return spread(attempts.map(({ runs }) => runs)) + time;
}

async function others({ buggy, fixed }: Bug) {
  const rerun = (weather: Weather) =>
    Promise.all(seeds.map((seed) => attempt(() => plainReruns(buggy, { seed, timeMs: plainMs, weather }))));
  const steady = await rerun(local);
  const jittery = await rerun(stormy);
  const scheduler = [];
  for (const seed of seeds) scheduler.push(await attempt(() => fastCheckRuns(buggy, seed, fastCheckMaxRuns)));
  const isFalseAlarm = (await fastCheckRuns(fixed, 1, fastCheckMaxRuns)) !== undefined;
  return {
    "reruns, local": figures(steady),
    "reruns, jitter": figures(jittery),
    "fast-check": figures(scheduler),
    "its twin": isFalseAlarm ? "false alarm" : "clean",
  };
}

/**
 * The corpus under exploration, under plain reruns and under fast-check's scheduler; schedules per second; and what many
 * clients cost. Takes about two minutes.
 */
export async function run(): Promise<void> {
  // First, while the process is small, so that its growth can be seen.
  await scale(100, "natural");
  console.log("\nMany clients of ten requests each, one run\n");
  const sizes: Record<string, object> = {};
  for (const strategy of ["natural", "random", "pct"] as const) {
    for (const clients of [100, 1000, 5000]) {
      const { events, ms, rssMb, retainedMb } = await scale(clients, strategy);
      sizes[`${strategy} ${clients}`] = {
        events,
        seconds: (ms / 1000).toFixed(2),
        "events/s": Math.round((events / ms) * 1000),
        "rss MB": `+${Math.max(0, rssMb).toFixed(0)}`,
        "kept MB": retainedMb.toFixed(1),
      };
    }
  }
  console.table(sizes);

  console.log(
    `\nEach bug from ${seeds.length} seeds: median (maximum) schedules until it is found, milliseconds with shrinking and replays, parts of the explanation;` +
      `\nits twin in every schedule with at most one delay, and in all schedules or ${maxRuns}.` +
      `\nReruns: real timers sped up, at most ${plainMs} ms a seed; "local" answers within 3 ms, "jitter" draws from all of the window. A machine that stalls helps them.` +
      `\nfast-check: its scheduler with every wait routed to it, at most ${fastCheckMaxRuns} runs; it has no order of timers, and its reports are not shrunk.\n`,
  );
  const table: Record<string, object> = {};
  const warnings = process.listeners("warning");
  // Reruns take note of rejections that were nobody's at first; Node would warn of each.
  process.removeAllListeners("warning");
  for (const bug of bugs) table[bug.name] = { ...(await explored(bug)), ...(await others(bug)) };
  for (const listener of warnings) process.on("warning", listener);
  console.table(table);

  console.log("\nFive clients, a token, two connections, one 429: schedules per second on one core\n");
  const strategies = ["auto", "random", "pct"] as const;
  await simulatedThroughput("random", 500);
  const inRealTime = await realThroughput(1500);
  const speeds: Record<string, object> = {};
  for (const strategy of strategies) {
    const { perSecond, perCpuSecond, events } = await simulatedThroughput(strategy, 2000);
    const ratio = `${(perSecond / inRealTime).toFixed(0)} x`;
    const rates = { "per second": Math.round(perSecond), "per CPU second": Math.round(perCpuSecond) };
    speeds[strategy] = { ...rates, events: events.toFixed(1), "to real time": ratio };
  }
  speeds["a server on this machine"] = { "per second": Math.round(inRealTime), "to real time": "1 x" };
  console.table(speeds);
}
