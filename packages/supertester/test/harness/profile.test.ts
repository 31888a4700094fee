import { test } from "vitest";
import { assertNoHeapGrowth, HeapGrowthError, isolate, profile, type Profile } from "../../src/index.ts";

const subject = (name: string) => new URL(`./subjects/${name}.ts`, import.meta.url);

test("code that retains memory is told from code that only uses it", async ({ expect }) => {
  const [leaky, tidy] = await Promise.all([
    profile({ module: subject("leaky") }),
    profile({ module: subject("tidy") }),
  ]);
  expect([leaky.heap.length, leaky.rounds]).toEqual([21, 20]);
  expect(() => assertNoHeapGrowth(leaky)).toThrow(HeapGrowthError);
  expect(() => assertNoHeapGrowth(leaky)).toThrow(/the heap grew by \d+ bytes per round/);
  assertNoHeapGrowth(tidy);
});

test("noise, a single step and a falling heap are no growth", ({ expect }) => {
  const of = (heap: readonly number[]): Profile => ({ heap, longestDelayMs: 0, rounds: heap.length - 1 });
  const series = (next: (round: number) => number) => of(Array.from({ length: 21 }, (_, round) => 5e6 + next(round)));
  assertNoHeapGrowth(series((round) => (round % 2) * 1e6));
  assertNoHeapGrowth(series((round) => (round > 10 ? 1e6 : 0)));
  assertNoHeapGrowth(series((round) => -round * 1e5));
  expect(() => assertNoHeapGrowth(series((round) => round * 1e5 + (round % 3) * 1e3))).toThrow(HeapGrowthError);
  assertNoHeapGrowth(
    series((round) => round * 1e5),
    { bytesPerRound: 2e5 },
  );
});

test("code that holds its event loop up shows in its own thread", async ({ expect }) => {
  const { longestDelayMs } = await profile({ module: subject("blocking"), rounds: 5, warmup: 0 });
  // It waits 50 ms without giving the loop a turn, so no load can make this smaller.
  expect(longestDelayMs).toBeGreaterThan(45);
});

test("a module that fails or does not exist, too few rounds and an abort are errors", async ({ expect }) => {
  await expect(profile({ module: subject("absent") })).rejects.toThrow(/absent/);
  await expect(profile({ module: subject("tidy"), rounds: 2 })).rejects.toThrow(/5 or more/);
  await expect(profile({ module: subject("tidy"), rounds: Number.NaN })).rejects.toThrow(/whole numbers/);
  await expect(profile({ module: subject("tidy"), signal: AbortSignal.abort(new Error("no time")) })).rejects.toThrow(
    "no time",
  );
});

test("counts of operations do not depend on the machine", async ({ expect }) => {
  const { readFile } = await import("node:fs");
  await isolate(async (scope) => {
    for (let n = 0; n < 3; n += 1) clearTimeout(setTimeout(() => undefined, 1000));
    readFile(import.meta.filename, () => undefined);
    await scope.settled();
    expect(scope.operations).toEqual({ Timeout: 3, FSREQCALLBACK: expect.any(Number) });
  });
});
