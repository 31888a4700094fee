import { Datum, ModelInput, TensorData } from "@tinkex/protocol";
import type { LossFnInput } from "@tinkex/protocol";
import { describe, test } from "vitest";
import { thrownBy } from "./support/thrown.ts";

describe("model input", () => {
  test("tokens go in and come out", ({ expect }) => {
    const input = ModelInput.appendInt(ModelInput.fromInts([1, 2]), 3);
    expect(input.chunks).toHaveLength(2);
    expect(ModelInput.toInts(input)).toEqual(Int32Array.of(1, 2, 3));
    expect(ModelInput.length(input)).toBe(3);
    expect(ModelInput.length(ModelInput.empty())).toBe(0);
  });

  test("appending leaves the original as it was", ({ expect }) => {
    const input = ModelInput.fromInts([1]);
    ModelInput.appendInt(input, 2);
    expect(ModelInput.toInts(input)).toEqual(Int32Array.of(1));
  });

  test("an image is as long as it is said to be, and has no tokens to read", ({ expect }) => {
    const data = new Uint8Array(4);
    const known: ModelInput = { chunks: [{ type: "image", data, format: "png", expectedTokens: 7 }] };
    const unknown: ModelInput = { chunks: [{ type: "image_asset_pointer", location: "a", format: "png" }] };
    expect(ModelInput.length(known)).toBe(7);
    expect(thrownBy(() => ModelInput.length(unknown)).path).toBe("chunks[0].expected_tokens");
    expect(thrownBy(() => ModelInput.toInts(known)).message).toContain('must be "encoded_text"');
  });

  test.for([[2 ** 31], [1.5], [Number.NaN]])("token id %f is refused, not wrapped", ([token = 0], { expect }) => {
    expect(thrownBy(() => ModelInput.toInts(ModelInput.fromInts([token]))).path).toMatch(/^chunks\[0\]\.tokens/);
  });
});

describe("tensors", () => {
  test("are one-dimensional unless they say otherwise", ({ expect }) => {
    expect(TensorData.float32([1, 2]).shape).toEqual([2]);
    expect(TensorData.int64([1, 2, 3, 4], [2, 2]).shape).toEqual([2, 2]);
  });

  test("keep a typed array of their own type", ({ expect }) => {
    const floats = Float32Array.of(1);
    const ids = Int32Array.of(1);
    expect(TensorData.float32(floats).data).toBe(floats);
    expect(TensorData.int64(ids).data).toBe(ids);
  });

  test("hold 64-bit integers exactly, and small ones in 32 bits", ({ expect }) => {
    expect(TensorData.int64([1, -(2 ** 31)]).data).toEqual(Int32Array.of(1, -(2 ** 31)));
    expect(TensorData.int64([1n, 2n]).data).toEqual(Int32Array.of(1, 2));
    const large = TensorData.int64([2 ** 31, 2n ** 63n - 1n]);
    expect(large.data).toEqual(BigInt64Array.of(2n ** 31n, 2n ** 63n - 1n));
    expect(thrownBy(() => TensorData.toNumbers(large)).path).toBe("data[1]");
    expect(TensorData.toNumbers(TensorData.int64([2 ** 31]))).toEqual([2 ** 31]);
  });

  test.for([
    [[1, 2, 3], [2, 2], "shape must be of 3 elements, as many as data has, found [2, 2]"],
    [[1], [-1], "shape[0] must be an integer of at least 0, found -1"],
    [[1], [0.5], "shape[0] must be an integer"],
    [[1], [2 ** 40, 2 ** 40], "shape must be of at most 2^53 elements"],
    [[], [0, 2 ** 40, 2 ** 40], ""],
    [[1], Array.from({ length: 65 }, () => 1), "shape must be of at most 64 dimensions, found 65"],
    [[0.5], [1], "data[0] must be a 64-bit integer, found 0.5"],
    [[2n ** 63n], [1], "data[0] must be a 64-bit integer, found 9223372036854775808n"],
  ] as const)("of %o in shape %o: %s", ([values, shape, words], { expect }) => {
    if (words === "") expect(TensorData.int64(values, shape).shape).toEqual(shape);
    else expect(thrownBy(() => TensorData.int64(values, shape)).message).toContain(words);
  });

  const sparse = {
    values: Float32Array.of(1, 2),
    shape: [3, 4],
    crowIndices: [0, 1, 1, 2],
    colIndices: [1, 3],
  } as const;

  test("may be sparse", ({ expect }) => {
    expect(TensorData.sparseCsr({ ...sparse, values: Int32Array.of(1, 2) }).dtype).toBe("int64");
    expect(TensorData.toNumbers(TensorData.sparseCsr(sparse))).toEqual([1, 2]);
  });

  test.for([
    [{ crowIndices: [0, 1, 2] }, "sparse_crow_indices must be of 4 entries"],
    [{ crowIndices: [1, 1, 1, 2] }, "sparse_crow_indices[0] must be 0"],
    [{ crowIndices: [0, 2, 1, 2] }, "sparse_crow_indices[2] must be no less"],
    [{ crowIndices: [0, 1, 1, 1] }, "sparse_crow_indices[3] must be 2, the number of values"],
    [{ colIndices: [1, 4] }, "sparse_col_indices[1] must be a column from 0 to 3, found 4"],
    [{ colIndices: [-1, 3] }, "sparse_col_indices[0]"],
    [{ colIndices: [1] }, "sparse_col_indices must be of 2 entries"],
    [{ colIndices: [1, 2 ** 32] }, "sparse_col_indices must be a list of 32-bit integers"],
  ] as const)("with sparse indices %o: %s", ([change, words], { expect }) => {
    expect(thrownBy(() => TensorData.sparseCsr({ ...sparse, ...change })).message).toContain(words);
  });
});

describe("datums", () => {
  const modelInput = ModelInput.fromInts([1, 2]);
  const inputsOf = (lossFnInputs: Readonly<Record<string, LossFnInput>>): Datum["lossFnInputs"] =>
    Datum.from({ modelInput, lossFnInputs }).lossFnInputs;

  test("take plain lists in the types that Tinker gives their names", ({ expect }) => {
    const names = ["target_tokens", "weights", "advantages", "logprobs", "clip_low_threshold", "clip_high_threshold"];
    const inputs = inputsOf(Object.fromEntries(names.map((name) => [name, [1, 2]])));
    expect(names.map((name) => inputs[name]?.dtype)).toEqual(["int64", ...Array.from({ length: 5 }, () => "float32")]);
  });

  test("take nested lists with their shape", ({ expect }) => {
    const nested = [
      [101, 102],
      [201, 202],
      [301, 302],
    ];
    expect(inputsOf({ target_tokens: nested })).toEqual({ target_tokens: TensorData.int64(nested.flat(), [3, 2]) });
    expect(inputsOf({ weights: [] })["weights"]?.shape).toEqual([0]);
    expect(inputsOf({ weights: [[], []] })["weights"]?.shape).toEqual([2, 0]);
  });

  test("take typed arrays and tensors under any name", ({ expect }) => {
    const tensor = TensorData.float32([1, 2, 3, 4], [2, 2]);
    expect(
      inputsOf({
        mine: tensor,
        floats: Float64Array.of(0.5),
        ids: Int16Array.of(-1),
        large: BigInt64Array.of(2n ** 40n),
      }),
    ).toEqual({
      mine: tensor,
      floats: TensorData.float32([0.5]),
      ids: TensorData.int64([-1]),
      large: TensorData.int64([2n ** 40n]),
    });
  });

  test("read null as NaN, and true and false as numbers, where floats belong", ({ expect }) => {
    expect(inputsOf({ weights: [null, true, false, 2n] })["weights"]?.data).toEqual(
      Float32Array.of(Number.NaN, 1, 0, 2),
    );
  });

  test.for([
    [{ target_tokens: [[101, 102], [201]] }, "ragged nested lists are not supported"],
    [{ target_tokens: [101, [201]] }, "ragged nested lists are not supported"],
    [{ target_tokens: [[], 1] }, "ragged nested lists are not supported"],
    [{ target_tokens: [1.5] }, "loss_fn_inputs.target_tokens[0] must be an integer, found 1.5"],
    [{ target_tokens: [null] }, "loss_fn_inputs.target_tokens[0] must be an integer, found null"],
    [{ weights: ["1"] }, 'loss_fn_inputs.weights[0] must be a number, found "1"'],
    [{ weight: [1] }, "loss_fn_inputs.weight must be a typed array or a TensorData"],
    [{ weights: 1 }, "loss_fn_inputs.weights must be a TensorData, a list"],
    [{ weights: null }, "loss_fn_inputs.weights must be a TensorData, a list"],
    [{ weights: modelInput }, "loss_fn_inputs.weights must be a TensorData, a list"],
    [{ weights: Uint8Array.of(1) }, "loss_fn_inputs.weights must be a TensorData, a list"],
    [{ weights: { dtype: "float16", data: Float32Array.of(1), shape: [1] } }, "weights.dtype must be"],
    [{ weights: { dtype: "int64", data: Float32Array.of(1), shape: [1] } }, "weights.data must be an Int32Array"],
  ])("refuse %o", ([inputs, words], { expect }) => {
    expect(thrownBy(() => inputsOf(inputs as Record<string, LossFnInput>)).message).toContain(words);
  });

  test("refuse endless nesting", ({ expect }) => {
    let nested: unknown = 1;
    for (let depth = 0; depth < 20_000; depth += 1) nested = [nested];
    expect(thrownBy(() => inputsOf({ weights: nested as LossFnInput })).message).toContain("dimensions");
  });
});
