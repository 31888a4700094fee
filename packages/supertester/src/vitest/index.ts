import { aroundEach, test as base, vi, type TestAPI, type TestContext } from "vitest";
import { IsolationError } from "../context/errors.ts";
import { currentTestId } from "../context/adopt.ts";
import { processSingleton } from "../context/process-singleton.ts";
import { install, isolate, type IsolateOptions } from "../isolation/isolate.ts";
import type { ScopeLogs } from "../isolation/logs/scope-logs.ts";
import type { Recording } from "../isolation/recording.ts";
import { currentScope, type Scope } from "../isolation/scope.ts";
import type { TelemetryEvent } from "../isolation/telemetry/channels.ts";
import { test as explored } from "./explore-test.ts";

/** Options for every test of the files that share a setup file. */
export type VitestOptions = Omit<IsolateOptions, "id"> & {
  /** When a test's own log is printed with it. Default `failed`. */
  readonly printLogs?: "failed" | "always" | "never";
};

interface Configuration {
  options: VitestOptions;
}

const configuration = processSingleton<Configuration>("vitest-options", () => ({ options: {} }));

/**
 * Sets the options of every test and isolates the tests of the file that is being collected; call it in a setup file of your
 * own. (Merely importing this module there is not enough with `isolate: false`, where vitest evaluates it for the first file
 * only. Listing `supertester/vitest` itself in `setupFiles` is: setup files are evaluated for each.)
 */
export function configure(options: VitestOptions): void {
  configuration.options = options;
  isolateTests();
}

declare module "vitest" {
  interface TaskMeta {
    /** Isolation options of one test, over those of `configure`: `test(name, { meta: { isolation: { … } } }, body)`. */
    isolation?: Omit<IsolateOptions, "id">;
  }
}

type Task = TestContext["task"];

function runsBesideOthers(task: Task): boolean {
  return task.concurrent === true;
}

/** Runs one attempt of a test in a scope of its own, and shows its log with it when it fails. */
async function aroundTest(run: () => Promise<void>, { task, annotate }: TestContext): Promise<void> {
  const { printLogs = "failed", ...options } = configuration.options;
  const attempt = (task.result?.retryCount ?? 0) + (task.result?.repeatCount ?? 0);
  const id = [task.file.name, ...namesOf(task), ...(attempt > 0 ? [`attempt ${attempt + 1}`] : [])].join(" > ");
  let scope: Scope | undefined;
  let failed = true;
  try {
    await isolate({ ...options, ...task.meta.isolation, id }, async (own) => {
      scope = own;
      running.set(own.key, task);
      await run();
    });
    failed = task.result?.state === "fail";
  } finally {
    if (scope !== undefined) {
      running.delete(scope.key);
      const log = String(scope.logs);
      if (log !== "" && (printLogs === "always" || (failed && printLogs === "failed")))
        await attach(task, annotate, log);
    }
  }
}

/** The test that each live scope runs. */
const running = processSingleton("vitest-tasks", () => new Map<string, Task>());

function namesOf(task: Task): readonly string[] {
  const names = [task.name];
  for (let { suite } = task; suite !== undefined; suite = suite.suite) names.unshift(suite.name);
  return names;
}

/** Vitest's own reporters print annotations under the failing test; it takes them only while the test counts as running. */
async function attach(task: Task, annotate: TestContext["annotate"], log: string): Promise<void> {
  const { result } = task;
  if (result === undefined) return;
  const { state } = result;
  result.state = "run";
  try {
    const recorded = annotate(log, "log");
    result.state = state;
    await recorded;
  } finally {
    result.state = state;
  }
}

/** Makes fake timers and a fake date an error in a test that runs beside others: vitest would fake those of all of them. */
function guardFakeTimers(): void {
  const guarded = processSingleton("guarded-vi", () => new WeakSet<object>());
  if (guarded.has(vi)) return;
  guarded.add(vi);
  const refuseBesideOthers = (method: string) => {
    const id = currentTestId();
    const task = id === undefined ? undefined : running.get(id);
    if (task === undefined || !runsBesideOthers(task)) return;
    throw new IsolationError(
      "fake-timers",
      `vi.${method} in "${task.name}" would fake the time of every test that runs beside it. Give the test a clock of its own ` +
        '(`{ meta: { isolation: { clock: "virtual" } } }`, then `scope.clock`), or mark it as sequential.',
    );
  };
  const { useFakeTimers, setSystemTime } = vi;
  vi.useFakeTimers = (...args) => {
    refuseBesideOthers("useFakeTimers");
    return Reflect.apply(useFakeTimers, vi, args);
  };
  vi.setSystemTime = (...args) => {
    refuseBesideOthers("setSystemTime");
    return Reflect.apply(setSystemTime, vi, args);
  };
}

function isolateTests(): void {
  aroundEach(async (run, { task, annotate }) => {
    // There may be several of these around one test, from the setup file and from the test file: the outermost counts.
    const id = currentTestId();
    if (id !== undefined && running.get(id) === task) await run();
    else await aroundTest(run, { task, annotate } as TestContext);
  });
}

install();
guardFakeTimers();
isolateTests();

/** What the fixtures of `test` give. */
export interface ScopeFixtures {
  /** The test's scope. */
  readonly scope: Scope;
  /** `scope.logs`. */
  readonly logs: ScopeLogs;
  /** `scope.events`: what was published on the captured channels. */
  readonly events: Recording<TelemetryEvent>;
}

const withFixtures: TestAPI<ScopeFixtures> = base.extend<ScopeFixtures>({
  // oxlint-disable-next-line no-empty-pattern -- vitest reads a fixture's needs from its destructuring pattern
  scope: async ({}, use) => use(currentScope()),
  logs: async ({ scope }, use) => use(scope.logs),
  events: async ({ scope }, use) => use(scope.events),
});

/**
 * Vitest's `test` with fixtures that read the test's scope, and `test.explore`, which runs a body under many schedules. Plain
 * `test` of vitest is isolated just the same.
 */
export const test: TestAPI<ScopeFixtures> & { readonly explore: typeof explored.explore } = Object.assign(
  withFixtures,
  {
    explore: explored.explore,
  },
);
export { test as it };
export type { ExplorationMeta, ExploredBody, ExploreTest } from "./explore-test.ts";
