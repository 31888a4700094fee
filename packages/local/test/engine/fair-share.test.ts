import { test } from "vitest";
import { FairShare } from "../../src/engine/fair-share.ts";

/** A share whose clock moves only by what the work says it takes, and the order in which work ran. */
function counted() {
  let now = 0;
  const order: string[] = [];
  const share = new FairShare(() => now);
  const run = async (lane: string, cost: number) =>
    share.run(lane, async () => {
      now += cost;
      order.push(lane);
    });
  return { order, run, share };
}

test("cheap work is not kept waiting by expensive work", async ({ expect }) => {
  const { order, run } = counted();
  // All training is queued first; a sample's steps cost a tenth.
  const training = Array.from({ length: 3 }, async () => run("train", 100));
  const steps = Array.from({ length: 10 }, async () => run("sample", 10));
  await Promise.all([...training, ...steps]);
  expect(order.slice(0, 12)).toEqual(["train", ...Array<string>(10).fill("sample"), "train"]);
});

test("long work in many pieces does not keep others waiting", async ({ expect }) => {
  const { order, run } = counted();
  const sampling = (async () => {
    for (let step = 0; step < 40; step++) await run("sample", 10);
  })();
  await run("train", 50);
  expect(order.length).toBeLessThan(5);
  await sampling;
});

test("a lane that was idle does not make up for it", async ({ expect }) => {
  const { order, run } = counted();
  const busy = (async () => {
    for (let step = 0; step < 10; step++) await run("busy", 10);
  })();
  while (order.length < 5) await new Promise(setImmediate);
  const late = Array.from({ length: 4 }, async () => run("late", 10));
  await Promise.all([busy, ...late]);
  expect(order.slice(5, 10).filter((lane) => lane === "busy").length).toBeGreaterThanOrEqual(2);
});

test("work of one lane runs in the order in which it came, and a failure stops nothing", async ({ expect }) => {
  const { share } = counted();
  const order: number[] = [];
  const results = await Promise.allSettled(
    [1, 2, 3].map(async (index) =>
      share.run("a", async () => {
        order.push(index);
        if (index === 2) throw new Error("two");
        return index;
      }),
    ),
  );
  expect(order).toEqual([1, 2, 3]);
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
});
