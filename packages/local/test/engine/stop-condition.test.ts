import * as fc from "fast-check";
import { test } from "vitest";
import { stopAtAny, stopAtStrings, stopAtTokens } from "../../src/sampling/stop-condition.ts";

const decoder = new TextDecoder();

/** Tokens that are single bytes, so that characters are split between tokens. */
const decodeBytes = (tokens: readonly number[]) => decoder.decode(Uint8Array.from(tokens));

test("a sequence stops with the very token that completes a stop string, however its bytes are split", ({ expect }) => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "é", "漢", "🙂"), maxLength: 20 });
  fc.assert(
    fc.property(text, fc.array(text, { maxLength: 3 }), (completion, stops) => {
      const bytes = [...new TextEncoder().encode(completion)];
      const condition = stopAtStrings(stops, decodeBytes);
      const stoppedAt = bytes.findIndex((_, index) => condition.reached(bytes.slice(0, index + 1)));
      const ends = stops
        .filter((stop) => stop !== "" && completion.includes(stop))
        .map((stop) => new TextEncoder().encode(completion.slice(0, completion.indexOf(stop) + stop.length)).length);
      expect(stoppedAt).toBe(ends.length === 0 ? -1 : Math.min(...ends) - 1);
    }),
    { seed: 1, numRuns: 500 },
  );
});

test("a long stop string is found though it spans many tokens", ({ expect }) => {
  const stop = "x".repeat(50);
  const tokens = [97, ...Array<number>(50).fill(120)];
  expect(stopAtStrings([stop], decodeBytes).reached(tokens)).toBe(true);
  expect(stopAtStrings([stop], decodeBytes).reached(tokens.slice(0, -1))).toBe(false);
});

test("any one of several conditions stops", ({ expect }) => {
  const condition = stopAtAny([stopAtTokens([7]), stopAtStrings(["b"], decodeBytes)]);
  expect(condition.reached([1, 7])).toBe(true);
  expect(condition.reached([7, 1])).toBe(false);
  expect(condition.reached([98])).toBe(true);
});
