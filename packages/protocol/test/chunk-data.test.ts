import { Datum, ModelInput, TensorData, chunkData, estimateDatumBytes, estimatePromptBytes } from "@tinkex/protocol";
import * as fc from "fast-check";
import { test } from "vitest";

/** 16 bytes per token: 4 for the text, 8 for the target, 4 for the weight. */
function datumOf(tokens: number): Datum {
  const ids = Array.from({ length: tokens }, (_, index) => index);
  return Datum.from({
    modelInput: ModelInput.fromInts(ids),
    lossFnInputs: { target_tokens: ids, weights: ids.map(() => 1) },
  });
}

test("chunks are filled up to the byte limit; a datum over it stands alone", ({ expect }) => {
  const data = [2, 3, 1, 20, 1, 5].map(datumOf);
  const chunks = chunkData(data, { maxLength: 1024, maxBytes: 100 });
  expect(chunks.map((chunk) => chunk.length)).toEqual([3, 1, 2]);
  expect(chunks.flat()).toEqual(data);
});

test("a chunk may be exactly as large as the limit", ({ expect }) => {
  const sizes = (maxBytes: number): number[] =>
    chunkData([2, 3].map(datumOf), { maxLength: 9, maxBytes }).map((chunk) => chunk.length);
  expect([sizes(80), sizes(79)]).toEqual([[2], [1, 1]]);
});

test("chunks are filled up to the length limit", ({ expect }) => {
  const chunks = chunkData([1, 1, 1, 1, 1].map(datumOf), { maxLength: 2, maxBytes: 1e6 });
  expect(chunks.map((chunk) => chunk.length)).toEqual([2, 2, 1]);
});

test("whatever the limits, nothing is lost or reordered and no chunk is empty", ({ expect }) => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 9 })),
      fc.integer({ min: -1, max: 5 }),
      fc.nat({ max: 300 }),
      (sizes, maxLength, maxBytes) => {
        const data = sizes.map(datumOf);
        const chunks = chunkData(data, { maxLength, maxBytes });
        expect(chunks.flat()).toEqual(data);
        for (const chunk of chunks) {
          expect(chunk.length).toBeGreaterThan(0);
          const bytes = chunk.reduce((sum, datum) => sum + estimateDatumBytes(datum), 0);
          expect(chunk.length === 1 || (bytes <= maxBytes && chunk.length <= maxLength)).toBe(true);
        }
      },
    ),
    { numRuns: 50 },
  );
});

test("estimates count every kind of content", ({ expect }) => {
  const input: ModelInput = {
    chunks: [
      { type: "encoded_text", tokens: [1, 2, 3] },
      { type: "image", data: new Uint8Array(100), format: "png" },
      { type: "dmel", dmel: new Uint8Array(20) },
      { type: "image_asset_pointer", format: "png", location: "12345" },
    ],
  };
  const weights = TensorData.sparseCsr({
    values: Float32Array.of(1, 2),
    shape: [3, 4],
    crowIndices: [0, 1, 1, 2],
    colIndices: [1, 3],
  });
  expect(estimateDatumBytes({ modelInput: input, lossFnInputs: {} })).toBe(12 + 125);
  expect(estimatePromptBytes(input)).toBe(30 + 125);
  expect(estimateDatumBytes({ modelInput: ModelInput.empty(), lossFnInputs: { weights } })).toBe(2 * 4 + 6 * 8);
});
