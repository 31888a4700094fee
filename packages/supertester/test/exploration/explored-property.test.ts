import * as fc from "fast-check";
import { test } from "vitest";
import { exploredProperty, ScheduleFailure } from "../../src/index.ts";

/** Deposits that read, wait and write: wrong as soon as two of them overlap. */
const deposits = exploredProperty<[number[]]>(async (sim, amounts) => {
  let balance = 0;
  const deposit = async (amount: number) => {
    const before = await sim.io("read", () => balance);
    await sim.io("write", () => void (balance = before + amount));
  };
  await Promise.all(amounts.map((amount, index) => sim.spawn(`deposit ${index}`, () => deposit(amount))));
  const total = amounts.reduce((sum, amount) => sum + amount, 0);
  if (balance !== total) throw new Error(`balance is ${balance} instead of ${total}`);
});

test("fast-check shrinks the values, the explorer the schedule, and one seed repeats both", async ({ expect }) => {
  const property = fc.asyncProperty(fc.array(fc.nat(9)), fc.noShrink(fc.nat()), deposits);
  const details = await fc.check(property, { seed: 5, numRuns: 100 });
  // Two deposits that are not both nothing are the smallest counterexample.
  expect(details.failed).toBe(true);
  const amounts = details.counterexample?.[0] ?? [];
  expect(amounts.length).toBe(2);
  expect(Math.max(...amounts)).toBe(1);
  const failure = details.errorInstance;
  expect(failure).toBeInstanceOf(ScheduleFailure);
  expect((failure as ScheduleFailure).delays.length).toBeLessThanOrEqual(1);
  const path = details.counterexamplePath ?? "";
  const again = await fc.check(property, { seed: 5, path, endOnFailure: true });
  expect((again.errorInstance as ScheduleFailure).replay).toBe((failure as ScheduleFailure).replay);
});
