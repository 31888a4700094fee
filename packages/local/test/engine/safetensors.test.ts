import * as fc from "fast-check";
import { test } from "vitest";
import { EngineError } from "../../src/engine/engine.ts";
import { readSafetensors, writeSafetensors } from "../../src/model/safetensors.ts";

/** A file with the given header and data, whatever they say. */
function file(header: unknown, data: readonly number[] = []): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

const entry = (dtype: string, shape: readonly number[], start: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [start, end],
});

test("float32 tensors survive a round trip bit for bit, also from an odd address", ({ expect }) => {
  const tensors = new Map([
    ["b.weight", { shape: [2, 3], data: Float32Array.of(1, -0, 3.5, NaN, Infinity, 1e-40) }],
    ["a", { shape: [], data: Float32Array.of(7) }],
    ["empty", { shape: [0, 4], data: new Float32Array() }],
  ]);
  const bytes = writeSafetensors(tensors, "F32");
  expect(readSafetensors(bytes, "x")).toEqual(tensors);
  const shifted = new Uint8Array(bytes.length + 1);
  shifted.set(bytes, 1);
  expect(readSafetensors(shifted.subarray(1), "x")).toEqual(tensors);
});

test("bfloat16 rounds to nearest, ties to even, and reads back what it wrote", ({ expect }) => {
  // 1 + 2^-8 lies half way between 1 and 1 + 2^-7; 1 + 3 * 2^-8 half way between 1 + 2^-7 and 1 + 2^-6.
  const data = Float32Array.of(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -8 + 2 ** -20, -3.3, NaN, -Infinity);
  const read = readSafetensors(writeSafetensors(new Map([["t", { shape: [7], data }]]), "BF16"), "x").get("t")!;
  const expected = [1, 1, 1 + 2 ** -6, 1 + 2 ** -7, -3.296875, NaN, -Infinity];
  expect([...read.data]).toEqual(expected);
  expect(writeSafetensors(new Map([["t", read]]), "BF16")).toEqual(
    writeSafetensors(new Map([["t", { shape: [7], data }]]), "BF16"),
  );
});

test("half precision is read, subnormals and specials too", ({ expect }) => {
  const halves = [0x3c00, 0xc000, 0x0001, 0x7c00, 0xfc00, 0x7e00, 0x3555];
  const bytes = halves.flatMap((bits) => [bits & 0xff, bits >> 8]);
  const { data } = readSafetensors(file({ t: entry("F16", [7], 0, 14) }, bytes), "x").get("t")!;
  expect([...data]).toEqual([1, -2, 2 ** -24, Infinity, -Infinity, NaN, Math.fround(0.333251953125)]);
});

test("malformed files are refused with the file's name and what is wrong", ({ expect }) => {
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [new Uint8Array(3), /m\.safetensors .*3 bytes/],
    [file({}).subarray(0, 9), /cut off/],
    [Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 255), /header claims/],
    [file("{not json"), /not JSON/],
    [file("[1]"), /not a JSON object/],
    [file({ t: 3 }), /"t" is not an object/],
    [file({ t: entry("I64", [1], 0, 8) }, Array(8).fill(0)), /element type "I64"/],
    [file({ t: entry("F32", [-1], 0, 4) }, [0, 0, 0, 0]), /shape \[-1\]/],
    [file({ t: entry("F32", [1.5], 0, 4) }, [0, 0, 0, 0]), /shape \[1.5\]/],
    [file({ t: { dtype: "F32", shape: [1], data_offsets: [0] } }), /offsets \[0\]/],
    [file({ t: entry("F32", [1], 4, 0) }, [0, 0, 0, 0]), /lies at 4 to 0/],
    [file({ t: entry("F32", [2], 0, 8) }, [0, 0, 0, 0]), /holds 4 bytes/],
    [file({ t: entry("F32", [3], 0, 8) }, Array(8).fill(0)), /needs 12 bytes and has 8/],
    [file({ a: entry("F32", [1], 0, 4), b: entry("F32", [1], 2, 6) }, Array(8).fill(0)), /"a" and "b" overlap/],
  ];
  for (const [bytes, message] of cases) {
    expect(() => readSafetensors(bytes, "m.safetensors")).toThrow(message);
    expect(() => readSafetensors(bytes, "m.safetensors")).toThrow(EngineError);
  }
});

test("no bytes at all make the reader fail in another way", ({ expect }) => {
  const valid = writeSafetensors(new Map([["t", { shape: [2], data: Float32Array.of(1, 2) }]]), "F32");
  const readsOrRefuses = (bytes: Uint8Array) => {
    try {
      readSafetensors(bytes, "x");
    } catch (error) {
      expect(error).toBeInstanceOf(EngineError);
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), readsOrRefuses), { seed: 1, numRuns: 300 });
  const flips = fc.tuple(fc.nat(valid.length - 1), fc.integer({ min: 0, max: 255 }), fc.nat(valid.length));
  fc.assert(
    fc.property(flips, ([at, value, length]) => readsOrRefuses(valid.with(at, value).subarray(0, length))),
    { seed: 1, numRuns: 500 },
  );
});
