import { test as base, type TestContext } from "vitest";
import { exploreAs, identify, type ExploreOptions, type ExploreReport } from "../exploration/explore.ts";
import { ScheduleFailure } from "../exploration/schedule-failure.ts";
import type { Sim } from "../simulation/sim.ts";

declare module "vitest" {
  interface TaskMeta {
    /** What `test.explore` did, for reporters. */
    exploration?: ExplorationMeta;
  }
}

/** The result of one `test.explore`, attached to its test as `task.meta.exploration`. */
export type ExplorationMeta =
  | ({ readonly outcome: "passed" } & ExploreReport)
  | {
      readonly outcome: "failed";
      readonly kind: string;
      readonly replay: string;
      readonly command: string;
      readonly report: string;
    };

/** The body of an explored test: run once per schedule, so hooks and fixtures of the test run around all of them. */
export type ExploredBody = (sim: Sim, context: TestContext) => Promise<void> | void;

/** `test.explore` and its variants. */
export interface ExploreTest {
  (name: string, body: ExploredBody): void;
  (name: string, options: ExploreOptions, body: ExploredBody): void;
}

/** Slack for a test's time limit over the time budget of its exploration: shrinking, replays and a loaded machine. */
const slackMs = 30_000;

/**
 * vitest's `test` with `test.explore(name, options?, body)`, and `.only` and `.skip` of it: a test whose body runs under
 * many schedules. The time limit follows from the budget. Replay tokens find the test by its full name.
 */
export const test: typeof base & {
  readonly explore: ExploreTest & { readonly only: ExploreTest; readonly skip: ExploreTest };
} = Object.assign(base.extend({}) as typeof base, {
  explore: Object.assign(exploreTest(base), { only: exploreTest(base.only), skip: exploreTest(base.skip) }),
});

function exploreTest(
  register: (name: string, options: { timeout: number }, fn: (context: TestContext) => Promise<void>) => void,
): ExploreTest {
  return function define(name: string, ...rest: [ExploredBody] | [ExploreOptions, ExploredBody]) {
    const here = identify(name, define);
    const [options, body] = rest.length === 1 ? [{}, rest[0]] : rest;
    register(name, { timeout: timeLimit(options) }, async (context) => {
      const { task } = context;
      try {
        const report = await exploreAs(
          { ...here, name: options.name ?? fullName(task) },
          (sim) => body(sim, context),
          options,
        );
        task.meta.exploration = { outcome: "passed", ...report };
      } catch (error) {
        if (error instanceof ScheduleFailure) {
          const { kind, replay, command } = error.details;
          task.meta.exploration = { outcome: "failed", kind, replay, command, report: error.message };
        }
        throw error;
      }
    });
  };
}

function timeLimit({ timeMs = 2000 }: ExploreOptions): number {
  return Number(process.env["SUPERTESTER_MS"] ?? timeMs) + slackMs;
}

function fullName(task: TestContext["task"]): string {
  const names = [task.name];
  for (let suite = task.suite; suite !== undefined; suite = suite.suite) names.unshift(suite.name);
  return [task.file.name, ...names].join(" > ");
}
