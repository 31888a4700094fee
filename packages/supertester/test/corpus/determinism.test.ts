import { describe, test } from "vitest";
import { explore, ScheduleFailure } from "../../src/index.ts";
import { bugs } from "../../corpus/index.ts";
import { corpusDigest } from "./digest.ts";
import { pools, poolsThatAgree } from "./pools.ts";

async function failureOf(exploration: Promise<unknown>): Promise<ScheduleFailure> {
  try {
    await exploration;
  } catch (error) {
    if (error instanceof ScheduleFailure) return error;
    throw error;
  }
  throw new Error("no schedule failed");
}

describe("the corpus", () => {
  test("has the same events alone, beside eight others, and in every pool of vitest", async ({ expect }) => {
    const alone = await corpusDigest(2);
    const beside = await Promise.all(Array.from({ length: 8 }, () => corpusDigest(2)));
    expect(beside).toEqual(Array.from({ length: 8 }, () => alone));
    expect(await poolsThatAgree(alone, 2)).toEqual(pools);
  });

  test("replays 200 of 200 failures", async ({ expect }) => {
    const isReplayed = async (seed: number) => {
      const { buggy } = bugs[seed % bugs.length] ?? { buggy: () => {} };
      const strategy = (["auto", "random", "pct"] as const)[seed % 3] ?? "auto";
      const found = await failureOf(explore(buggy, { seed, strategy, runs: 5000, timeMs: 20_000 }));
      const again = await failureOf(explore(buggy, { replay: found.replay }));
      return JSON.stringify(again.trace) === JSON.stringify(found.trace) && again.kind === found.kind;
    };
    // All at once: explorations share the process, and none may notice.
    const replayed = await Promise.all(Array.from({ length: 200 }, (_, seed) => isReplayed(seed)));
    expect(replayed.filter(Boolean).length).toBe(200);
  });
});
