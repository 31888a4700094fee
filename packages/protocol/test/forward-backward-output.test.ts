import { create, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { TensorData, decodeForwardBackwardOutput, encodeForwardBackwardOutput } from "@tinkex/protocol";
import type { ForwardBackwardOutput } from "@tinkex/protocol";
import * as fc from "fast-check";
import { describe, test } from "vitest";
import * as wire from "../src/gen/tinker_public_pb.js";
import { thrownBy } from "./support/thrown.ts";

type RecordInit = MessageInitShape<typeof wire.ArrayRecordSchema>;
type FieldInit = MessageInitShape<typeof wire.BatchedTensorSchema>;

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** How a service packs numbers into each element type. */
const packers = {
  [wire.DType.FLOAT32]: (values: readonly number[]) => bytesOf(Float32Array.from(values)),
  [wire.DType.INT64]: (values: readonly number[]) => bytesOf(BigInt64Array.from(values, BigInt)),
  [wire.DType.INT32]: (values: readonly number[]) => bytesOf(Int32Array.from(values)),
  [wire.DType.BFLOAT16]: (values: readonly number[]) => {
    const words = new Uint16Array(Float32Array.from(values).buffer);
    return bytesOf(words.filter((_, index) => index % 2 === 1));
  },
};
type Dtype = keyof typeof packers;

/** A field whose datums have these values. */
function field(dtype: Dtype, pieces: readonly (readonly number[])[], trailing: readonly number[] = []): FieldInit {
  const packed = pieces.map(packers[dtype]);
  const offsets = [0];
  for (const { length } of packed) offsets.push(length + (offsets.at(-1) ?? 0));
  return {
    data: Buffer.concat(packed),
    offsets: bytesOf(BigInt64Array.from(offsets, BigInt)),
    dtype,
    trailingShape: trailing.map(BigInt),
  };
}

function decode(records: readonly RecordInit[], type = "T"): ForwardBackwardOutput {
  const message = create(wire.ForwardBackwardOutputSchema, { lossFnOutputType: type, lossFnOutputs: [...records] });
  return decodeForwardBackwardOutput(toBinary(wire.ForwardBackwardOutputSchema, message));
}

const upTo = (length: number): number[] => Array.from({ length }, (_, index) => index);

test("every element type is read with its values and shapes", ({ expect }) => {
  const dtypes = fc.constantFrom<Dtype>(wire.DType.FLOAT32, wire.DType.INT64, wire.DType.INT32, wire.DType.BFLOAT16);
  const trailingShapes = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 1 });
  const lengths = fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(dtypes, trailingShapes, lengths, (dtype, trailing, leading) => {
      const row = trailing[0] ?? 1;
      const pieces = leading.map((length) => upTo(length * row));
      const output = decode([{ fields: { x: field(dtype, pieces, trailing) }, numDatums: BigInt(leading.length) }]);
      const isFloat = dtype === wire.DType.FLOAT32 || dtype === wire.DType.BFLOAT16;
      expect(output.lossFnOutputs).toEqual(
        leading.map((length, index) => {
          const shape = [length, ...trailing];
          const values = pieces[index]!;
          return { x: isFloat ? TensorData.float32(values, shape) : TensorData.int64(values, shape) };
        }),
      );
    }),
    { numRuns: 100 },
  );
});

describe("records", () => {
  test("none: the whole type is kept, or it is ArrayRecord", ({ expect }) => {
    expect(decode([], "")).toEqual({ lossFnOutputType: "ArrayRecord", lossFnOutputs: [], metrics: {} });
    expect(decode([], "tml.loss:X").lossFnOutputType).toBe("tml.loss:X");
  });

  test("some: the type is what follows the last colon", ({ expect }) => {
    expect(decode([{ numDatums: 1n }], "a:b:C").lossFnOutputType).toBe("C");
    expect(decode([{ numDatums: 1n }], "C").lossFnOutputType).toBe("C");
  });

  test("with different shapes keep each datum's own", ({ expect }) => {
    const f32 = wire.DType.FLOAT32;
    const { lossFnOutputs } = decode([
      { fields: { x: field(f32, [upTo(8), upTo(6)], [2]) }, numDatums: 2n },
      { fields: { x: field(f32, [upTo(12)], [6]) }, numDatums: 1n },
      { fields: { x: field(f32, [upTo(10)], [2]) }, numDatums: 1n },
    ]);
    expect(lossFnOutputs.map(({ x }) => x?.shape)).toEqual([
      [4, 2],
      [3, 2],
      [2, 6],
      [5, 2],
    ]);
    expect(TensorData.toNumbers(lossFnOutputs[2]!["x"]!)).toEqual(upTo(12));
  });

  test("may differ in element type and in fields", ({ expect }) => {
    const { lossFnOutputs } = decode([
      { fields: { x: field(wire.DType.FLOAT32, [upTo(4)], [2]) }, numDatums: 1n },
      { fields: { x: field(wire.DType.INT64, [upTo(6)], [2]), y: field(wire.DType.INT32, [[1]]) }, numDatums: 1n },
    ]);
    expect(lossFnOutputs.map(({ x, y }) => [x?.dtype, y?.dtype])).toEqual([
      ["float32", undefined],
      ["int64", "int64"],
    ]);
  });

  test("without fields stand for as many empty outputs as they say", ({ expect }) => {
    expect(decode([{ numDatums: 3n }]).lossFnOutputs).toEqual([{}, {}, {}]);
  });

  test("that do not count their datums are counted by their fields", ({ expect }) => {
    expect(decode([{ fields: { x: field(wire.DType.FLOAT32, [[1], [2]]) } }]).lossFnOutputs).toHaveLength(2);
  });

  test("keep bfloat16 bits exactly, NaN and infinities included", ({ expect }) => {
    const words = Uint16Array.of(0x7f_c0, 0xff_80, 0x00_01, 0x3f_81);
    const x: FieldInit = {
      data: bytesOf(words),
      offsets: bytesOf(BigInt64Array.of(0n, 8n)),
      dtype: wire.DType.BFLOAT16,
    };
    const tensor = decode([{ fields: { x } }]).lossFnOutputs[0]!["x"]!;
    expect(tensor.data).toEqual(Float32Array.of(Number.NaN, -Infinity, 2 ** -133, 1.007_812_5));
  });
});

describe("a broken record is refused, by place", () => {
  const good = field(wire.DType.FLOAT32, [[1], [2]]);
  const offsets = (...values: readonly bigint[]): Uint8Array => bytesOf(BigInt64Array.from(values));
  test.for<[string, FieldInit, string]>([
    ["offset after the data", { ...good, offsets: offsets(0n, 4n, 12n) }, "fields.x.offsets[2] must be from 0 to 8"],
    ["huge offset", { ...good, offsets: offsets(0n, 2n ** 62n, 8n) }, "offsets[1] must be from 0 to 8"],
    ["negative offset", { ...good, offsets: offsets(0n, -4n, 8n) }, "offsets[1] must be from 0 to 8"],
    ["falling offsets", { ...good, offsets: offsets(0n, 8n, 4n) }, "offsets[2] must be at least 8, found 4"],
    ["first offset", { ...good, offsets: offsets(4n, 4n, 8n) }, "offsets[0] must be 0, found 4"],
    ["no offsets", { ...good, offsets: offsets() }, "offsets must be at least one number long"],
    ["half an offset", { ...good, offsets: new Uint8Array(12) }, "offsets must be a multiple of 8 bytes"],
    ["split element", { ...good, offsets: offsets(0n, 3n, 8n) }, "data[0] must be a multiple of 4 bytes"],
    ["element type", { ...good, dtype: 9 as wire.DType }, "dtype must be 1 to 4, found 9"],
    ["no element type", { ...good, dtype: 0 }, "dtype must be 1 to 4, found 0"],
    ["half a row", { ...good, trailingShape: [3n] }, "data[0] must be a multiple of 3 elements, found 1"],
    ["negative shape", { ...good, trailingShape: [-1n] }, "trailing_shape[0] must be an integer from 0"],
    ["huge shape", { ...good, trailingShape: [2n ** 40n, 2n ** 40n] }, "data[0].shape must be of at most 2^53"],
    ["long shape", { ...good, trailingShape: Array.from({ length: 5000 }, () => 1n) }, "at most 64 dimensions"],
    ["other count", field(wire.DType.FLOAT32, [[1]]), "fields.x must be of 2 datums, found 1"],
  ])("%s", ([, x, words], { expect }) => {
    const error = thrownBy(() => decode([{ numDatums: 2n, fields: { x } }]));
    expect(error.messageKind).toBe("ForwardBackwardOutput");
    expect(error.message).toContain(words);
  });

  test.for([[2n ** 62n], [-1n], [2n ** 21n]])("%i datums without a single field", ([numDatums = 0n], { expect }) => {
    expect(thrownBy(() => decode([{ numDatums }])).path).toBe("loss_fn_outputs[0].num_datums");
  });

  test("many records of many empty datums", ({ expect }) => {
    const records = Array.from({ length: 2000 }, () => ({ numDatums: 2n ** 19n }));
    expect(thrownBy(() => decode(records)).path).toBe("loss_fn_outputs[2].num_datums");
  });
});

test("a sparse tensor cannot be an output", ({ expect }) => {
  const x = TensorData.sparseCsr({ values: Float32Array.of(1), shape: [1, 1], crowIndices: [0, 1], colIndices: [0] });
  const error = thrownBy(() =>
    encodeForwardBackwardOutput({ lossFnOutputType: "T", lossFnOutputs: [{ x }], metrics: {} }),
  );
  expect(error.path).toBe("loss_fn_outputs[0].x");
});
