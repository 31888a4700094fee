import * as fc from "fast-check";
import { test } from "vitest";
import { RandomStream } from "../../src/model/random-stream.ts";
import { chooseToken } from "../../src/sampling/token-choice.ts";

const free = { temperature: 1, topK: -1, topP: 1 };

/** Log probabilities of 0.5, 0.25, 0.15, 0.1, out of order. */
const logprobs = Float32Array.from([0.15, 0.5, 0.1, 0.25], Math.log);

function frequencies(params: typeof free): number[] {
  const random = new RandomStream(1);
  const counts = [0, 0, 0, 0];
  for (let draw = 0; draw < 20_000; draw++) counts[chooseToken(logprobs, params, random)]! += 1 / 20_000;
  return counts;
}

test("tokens come as often as their probability says, tempered, cut to topK and to topP", ({ expect }) => {
  const about = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 1) as number);
  expect(frequencies(free)).toEqual(about([0.15, 0.5, 0.1, 0.25]));
  expect(frequencies({ ...free, topK: 2 })).toEqual([0, expect.closeTo(2 / 3, 1), 0, expect.closeTo(1 / 3, 1)]);
  // 0.5 + 0.25 reach 0.7 already.
  expect(frequencies({ ...free, topP: 0.7 })).toEqual([0, expect.closeTo(2 / 3, 1), 0, expect.closeTo(1 / 3, 1)]);
  expect(frequencies({ ...free, topP: 0.5 })).toEqual([0, 1, 0, 0].map((value) => expect.closeTo(value, 5) as number));
  // Of the two likeliest, the first alone holds two thirds.
  expect(frequencies({ ...free, topK: 2, topP: 0.6 })[3]).toBe(0);
  // Halving the temperature squares: 0.25, 0.0625, 0.0225, 0.01 of 0.345.
  const squared = frequencies({ ...free, temperature: 0.5 });
  expect(squared[1]).toBeCloseTo(0.725, 1);
  expect(squared[2]).toBeLessThan(0.05);
  expect(frequencies({ ...free, temperature: 0 })[1]).toBeCloseTo(1, 5);
});

test("whatever the parameters, the token is one that they allow", ({ expect }) => {
  const arbitrary = fc.record({
    logits: fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: 1, maxLength: 40 }),
    temperature: fc.oneof(fc.constant(0), fc.double({ min: 1e-3, max: 1e3, noNaN: true })),
    topK: fc.oneof(fc.constant(-1), fc.integer({ min: 1, max: 50 })),
    topP: fc.double({ min: 1e-9, max: 1, noNaN: true }),
    seed: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  });
  fc.assert(
    fc.property(arbitrary, ({ logits, seed, ...params }) => {
      const total = Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0));
      const row = Float32Array.from(logits, (x) => x - total);
      const token = chooseToken(row, params, new RandomStream(seed));
      const better = row.filter((x) => x > row[token]!).length;
      expect(token).toBeGreaterThanOrEqual(0);
      expect(token).toBeLessThan(row.length);
      if (params.topK > 0) expect(better).toBeLessThan(params.topK);
      if (params.temperature === 0) expect(better).toBe(0);
    }),
    { seed: 1, numRuns: 300 },
  );
});

test("streams of one seed, and seeds, are unrelated; the same ones repeat", ({ expect }) => {
  const numbers = (seed: number | bigint, stream: number) => {
    const random = new RandomStream(seed, stream);
    return Array.from({ length: 4 }, () => random.bits());
  };
  expect(numbers(1, 0)).toEqual(numbers(1n, 0));
  const all = [numbers(1, 0), numbers(1, 1), numbers(2, 0), numbers(-1, 0), numbers(2n ** 63n, 0)].flat();
  expect(new Set(all).size).toBe(20);
});
