import { readdirSync } from "node:fs";
import { describe, test } from "vitest";
import { explore, ScheduleFailure, type ExploreOptions, type SimBody } from "../../src/index.ts";
import { bugs } from "../../corpus/index.ts";

/** How an exploration fails; undefined when it does not. */
async function failureOf(body: SimBody, options: ExploreOptions): Promise<ScheduleFailure | undefined> {
  try {
    await explore(body, { timeMs: 20_000, ...options });
    return undefined;
  } catch (error) {
    if (error instanceof ScheduleFailure) return error;
    throw error;
  }
}

describe.for(bugs)("$name", ({ buggy, fixed, kind }) => {
  test("is found in 300 schedules, has at most two causes, and replays step by step", async ({ expect }) => {
    for (const seed of [1, 2]) {
      const failure = await failureOf(buggy, { seed, runs: 300 });
      if (failure === undefined) throw new Error("no schedule failed");
      expect(failure.kind).toBe(kind);
      expect(failure.delays.length + failure.details.decisions.length).toBeLessThanOrEqual(2);
      expect(failure.details.scripted).toBe(0);
      expect(failure.message).not.toContain("did not happen");
      const again = await failureOf(buggy, { replay: failure.replay });
      expect(again?.kind).toBe(kind);
      expect(again?.details.runs).toBe(1);
      expect(again?.trace).toEqual(failure.trace);
    }
  });

  test("needs a schedule other than the natural one", async ({ expect }) => {
    expect(await failureOf(buggy, { runs: 1 })).toBeUndefined();
  });

  test("is gone in its twin, whatever single event is delayed and in a sample of all schedules", async ({ expect }) => {
    const { coverage } = await explore(fixed, { strategy: "delays", delays: 1, runs: 5000, timeMs: 20_000 });
    expect(coverage).toBe("all schedules with at most 1 delay");
    const sample = await explore(fixed, { seed: 3, runs: 300, timeMs: 20_000 });
    expect(sample.coverage === "exhausted" || sample.runs === 300).toBe(true);
  });
});

test("the corpus has a file per bug, named like it, and every file is in it", ({ expect }) => {
  const files = readdirSync(new URL("../../corpus/", import.meta.url)).filter(
    (file) => file !== "bug.ts" && file !== "index.ts",
  );
  expect(files).toEqual(bugs.map(({ name }) => `${name}.ts`).sort());
  expect(bugs.length).toBeGreaterThanOrEqual(24);
});
