import { Writable } from "node:stream";
import DataLoader from "dataloader";
import { LRUCache } from "lru-cache";
import { pino } from "pino";
import { test } from "vitest";
import { exploredTwice } from "./explored.ts";

test("dataloader asks for every key once, whatever the schedule", async ({ expect }) => {
  const { same, distinct } = await exploredTwice(async (sim, note) => {
    const asked: string[] = [];
    const loader = new DataLoader<string, string>(async (keys) => {
      asked.push(...keys);
      await sim.io(`load ${keys.join()}`);
      note(keys);
      return keys.map((key) => key.toUpperCase());
    });
    const reader = (keys: readonly string[]) => async () => {
      expect(await loader.loadMany(keys)).toEqual(keys.map((key) => key.toUpperCase()));
    };
    await Promise.all([
      sim.spawn("A", reader(["a", "b"])),
      sim.spawn("B", reader(["b", "c"])),
      sim.spawn("C", reader(["a", "c"])),
    ]);
    expect(asked.toSorted()).toEqual(["a", "b", "c"]);
  });
  expect(same).toBe(true);
  expect(distinct).toBeGreaterThan(4);
});

test("lru-cache ages by the virtual clock and shares one fetch among those who wait", async ({ expect }) => {
  const { same } = await exploredTwice(async (sim, note) => {
    let fetches = 0;
    const cache = new LRUCache<string, number>({
      max: 10,
      ttl: 1000,
      ttlResolution: 0,
      fetchMethod: () => sim.io("fetch", () => ++fetches),
    });
    const get = () => cache.fetch("key");
    expect(await Promise.all([get(), get()])).toEqual([1, 1]);
    await sim.sleep(999);
    note(await get());
    expect(fetches).toBe(1);
    await sim.sleep(2);
    expect(await get()).toBe(2);
    note(fetches);
  });
  expect(same).toBe(true);
});

test("pino writes virtual timestamps in the order of events", async ({ expect }) => {
  const { same, distinct } = await exploredTwice(async (sim, note) => {
    const lines: string[] = [];
    const destination = new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    });
    const logger = pino({ base: null }, destination);
    const work = (name: string) => async () => {
      const child = logger.child({ name });
      child.info("start");
      await sim.io("work");
      child.info("done");
    };
    await Promise.all([sim.spawn("A", work("A")), sim.spawn("B", work("B"))]);
    note(lines);
    const times = lines.map((line) => (JSON.parse(line) as { time: number }).time);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(times[0]).toBeGreaterThanOrEqual(Date.parse("2000-01-01"));
    expect(times.length).toBe(4);
  });
  expect(same).toBe(true);
  expect(distinct).toBeGreaterThan(3);
});
