import * as fc from "fast-check";
import { describe, test } from "vitest";
import { decodeToken, encodeToken } from "../../src/exploration/replay-token.ts";

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const recording = fc.record({
  site: word,
  fingerprint: word,
  seed: fc.string(),
  plan: fc.record({
    holds: fc.array(fc.record({ event: word, past: word })),
    choices: fc.array(fc.record({ id: word, value: fc.nat() })),
    script: fc.array(fc.record({ step: fc.nat(), event: word })),
  }),
});

describe("a replay token", () => {
  test("holds all that it was made of", ({ expect }) => {
    fc.assert(
      fc.property(recording, (value) => {
        expect(decodeToken(encodeToken(value))).toEqual(value);
      }),
    );
  });

  test("fits an environment variable: one delay takes about 40 characters", ({ expect }) => {
    const plan = { holds: [{ event: 2 ** 32 - 1, past: 2 ** 31 }], choices: [], script: [] };
    expect(encodeToken({ site: 1, fingerprint: 2, seed: "1", plan }).length).toBeLessThan(40);
  });

  test("that was damaged is refused, never read as something else or endlessly", ({ expect }) => {
    fc.assert(
      fc.property(recording, fc.nat(), (value, at) => {
        const token = encodeToken(value);
        expect(() => decodeToken(token.slice(0, at % token.length))).toThrow("Not a replay token");
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => decodeToken(text)).toThrow("Not a replay token");
      }),
    );
  });
});
