import Bottleneck from "bottleneck";
import PLimit from "p-limit";
import PQueue from "p-queue";
import pRetry from "p-retry";
import { test } from "vitest";
import { exploredTwice } from "./explored.ts";

test("p-queue keeps to its concurrency and its interval cap in every schedule", async ({ expect }) => {
  const { same, distinct } = await exploredTwice(async (sim, note) => {
    const queue = new PQueue({ concurrency: 2, interval: 1000, intervalCap: 3, strict: true });
    let running = 0;
    const starts: number[] = [];
    sim.always("two at a time", () => running <= 2);
    const job = (name: string) => async () => {
      running++;
      starts.push(sim.now);
      await sim.io(name);
      running--;
      note(name);
    };
    await Promise.all(["a", "b", "c", "d", "e"].map((name) => queue.add(job(name))));
    for (const start of starts) {
      const inWindow = starts.filter((other) => other >= start && other < start + 1000).length;
      expect(inWindow).toBeLessThanOrEqual(3);
    }
    expect(sim.now).toBeGreaterThanOrEqual(1000);
  });
  expect(same).toBe(true);
  expect(distinct).toBeGreaterThan(10);
});

test("p-limit lets in as many as it says", async ({ expect }) => {
  const { same, distinct } = await exploredTwice(async (sim, note) => {
    const limit = PLimit(2);
    let running = 0;
    sim.always("two at a time", () => running <= 2);
    const job = (name: string) => async () => {
      running++;
      await sim.io(name);
      running--;
      note(name);
    };
    await Promise.all(["a", "b", "c", "d", "e"].map((name) => limit(job(name))));
  });
  expect(same).toBe(true);
  expect(distinct).toBeGreaterThan(10);
});

test("p-retry waits in virtual time: 1 s, 2 s, 4 s", async ({ expect }) => {
  const { same } = await exploredTwice(async (sim, note) => {
    const attempts: number[] = [];
    const value = await pRetry(
      async (attempt) => {
        attempts.push(sim.now);
        await sim.io("try", undefined, { latency: [0, 0] });
        note(attempt);
        if (attempt < 4) throw new Error("not yet");
        return attempt;
      },
      { retries: 5, minTimeout: 1000, factor: 2, randomize: false },
    );
    expect(value).toBe(4);
    expect(attempts).toEqual([0, 1000, 3000, 7000]);
  });
  expect(same).toBe(true);
});

test("bottleneck runs two at a time and keeps its distance", async ({ expect }) => {
  const { same, distinct } = await exploredTwice(async (sim, note) => {
    const limiter = new Bottleneck({ maxConcurrent: 2, minTime: 50 });
    const starts: number[] = [];
    let running = 0;
    sim.always("two at a time", () => running <= 2);
    const job = (name: string) => async () => {
      running++;
      starts.push(sim.now);
      await sim.io(name);
      running--;
      note(name);
    };
    await Promise.all(["a", "b", "c", "d"].map((name) => limiter.schedule(job(name))));
    // It measures from decision to decision, each of which reaches the job a timer of 0 ms or two later.
    for (const [index, start] of starts.slice(1).entries()) {
      expect(start - (starts[index] ?? 0)).toBeGreaterThanOrEqual(48);
    }
  });
  expect(same).toBe(true);
  expect(distinct).toBeGreaterThan(10);
});
