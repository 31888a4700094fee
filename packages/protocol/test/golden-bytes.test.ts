import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  TensorData,
  TopkPromptLogprobs,
  decodeForwardBackwardOutput,
  decodeForwardBackwardRequest,
  decodeSampleResponse,
  encodeForwardBackwardOutput,
  encodeForwardBackwardRequest,
  encodeSampleResponse,
} from "@tinkex/protocol";
import type { ForwardBackwardRequest, SampleResponse } from "@tinkex/protocol";
import { describe, test } from "vitest";
import * as wire from "../src/gen/tinker_public_pb.js";
import { fromHex, toHex } from "./support/bytes.ts";

// Bodies that the Python SDK 0.25.0 produced (maps sorted by key, which here is the order of the objects' keys).

const withText: ForwardBackwardRequest = {
  modelId: "m-test",
  seqId: 7,
  data: [
    {
      modelInput: { chunks: [{ type: "encoded_text", tokens: Int32Array.of(1, 2) }] },
      lossFnInputs: { target_tokens: TensorData.int64([3, 4]), weights: TensorData.float32([1, 1]) },
    },
  ],
  lossFn: "cross_entropy",
  forwardOnly: false,
};

const files: ForwardBackwardRequest = {
  modelId: "m-test",
  seqId: 0,
  data: [
    {
      modelInput: {
        chunks: [
          { type: "encoded_text", tokens: Int32Array.of(-1, 2_147_483_647) },
          { type: "image", data: fromHex("89504e47"), format: "png", expectedTokens: 5 },
          { type: "image", data: fromHex("ffd8"), format: "jpeg" },
          { type: "dmel", dmel: fromHex("0402035000000000") },
        ],
      },
      lossFnInputs: {},
    },
  ],
  lossFn: "cross_entropy",
  forwardOnly: false,
};

const requests: readonly [string, ForwardBackwardRequest, string][] = [
  [
    "A: text with cross entropy",
    withText,
    "0a066d2d7465737410071a540a0c0a0a0a08010000000200000012280a0d7461726765745f746f6b656e7312170a10030000000000000004000000000000001802220102121a0a0777656967687473120f0a080000803f0000803f1801220102220d63726f73735f656e74726f7079",
  ],
  [
    "B: forward only, with loss settings",
    {
      ...withText,
      lossFn: "ppo",
      lossFnConfig: { clip_high_threshold: 1.2, clip_low_threshold: 0.8 },
      forwardOnly: true,
    },
    "0a066d2d7465737410071a540a0c0a0a0a08010000000200000012280a0d7461726765745f746f6b656e7312170a10030000000000000004000000000000001802220102121a0a0777656967687473120f0a080000803f0000803f1801220102220370706f2a1e0a13636c69705f686967685f7468726573686f6c6411333333333333f33f2a1d0a12636c69705f6c6f775f7468726573686f6c64119a9999999999e93f3001",
  ],
  [
    "D: images and audio, extreme token ids, no seq_id",
    files,
    "0a066d2d746573741a3b0a0c0a0a0a08ffffffffffffff7f0a0f120d0a0489504e471203706e6718050a0c120a0a02ffd812046a7065670a0c1a0a0a080402035000000000220d63726f73735f656e74726f7079",
  ],
];

/** A request whose only loss input has this tensor message, and the tensor read from it. */
function readTensor(hex: string): TensorData | undefined {
  const tensor = fromBinary(wire.TensorSchema, fromHex(hex));
  const message = create(wire.ForwardBackwardRequestSchema, {
    lossFn: "cross_entropy",
    data: [{ lossFnInputs: { weights: tensor } }],
  });
  const request = decodeForwardBackwardRequest(toBinary(wire.ForwardBackwardRequestSchema, message));
  return request.data[0]?.lossFnInputs["weights"];
}

function writeTensor(tensor: TensorData): string {
  const body = encodeForwardBackwardRequest({
    ...withText,
    data: [{ modelInput: { chunks: [] }, lossFnInputs: { weights: tensor } }],
  });
  const message = fromBinary(wire.ForwardBackwardRequestSchema, body);
  return toHex(toBinary(wire.TensorSchema, message.data[0]!.lossFnInputs["weights"]!));
}

describe("forward/backward requests", () => {
  test.for(requests)("%s", ([, request, hex], { expect }) => {
    expect(toHex(encodeForwardBackwardRequest(request))).toBe(hex);
    expect(decodeForwardBackwardRequest(fromHex(hex))).toEqual(request);
  });

  test("C: a sparse tensor", ({ expect }) => {
    const hex =
      "123e0a080000803f00000040122000000000000000000100000000000000010000000000000002000000000000001a1001000000000000000300000000000000180122020304";
    const tensor = TensorData.sparseCsr({
      values: Float32Array.of(1, 2),
      shape: [3, 4],
      crowIndices: [0, 1, 1, 2],
      colIndices: [1, 3],
    });
    expect(writeTensor(tensor)).toBe(hex);
    expect(readTensor(hex)).toEqual(tensor);
  });

  test("E: a tensor without a shape is one-dimensional", ({ expect }) => {
    const hex = "0a10010000000000000002000000000000001802";
    expect(writeTensor(TensorData.int64([1, 2], []))).toBe(hex);
    expect(readTensor(hex)).toEqual(TensorData.int64([1, 2], [2]));
  });
});

test("F: a sample response with everything in it", ({ expect }) => {
  const hex =
    "0a1e0801120c0100000002000000030000001a0c000000bf000080bf0000c0bf0a0612040700000012080000c07f000080be1a380a180000000000000000050000000600000009000000000000001218804fc3c7804fc3c7000000bf000080bf000000be804fc3c7180220032004";
  const response: SampleResponse = {
    sequences: [
      { tokens: Int32Array.of(1, 2, 3), logprobs: Float32Array.of(-0.5, -1, -1.5), stopReason: "length" },
      { tokens: Int32Array.of(7), stopReason: "stop" },
    ],
    promptLogprobs: Float32Array.of(Number.NaN, -0.25),
    topkPromptLogprobs: {
      k: 2,
      promptLength: 3,
      tokenIds: Int32Array.of(0, 0, 5, 6, 9, 0),
      logprobs: Float32Array.of(-99_999, -99_999, -0.5, -1, -0.125, -99_999),
    },
    promptCacheHitTokens: 4,
  };
  expect(toHex(encodeSampleResponse(response))).toBe(hex);
  expect(decodeSampleResponse(fromHex(hex))).toEqual(response);
  expect(TopkPromptLogprobs.toList(response.topkPromptLogprobs!)).toEqual([
    null,
    [
      [5, -0.5],
      [6, -1],
    ],
    [[9, -0.125]],
  ]);
});

describe("G: a forward/backward output with every element type", () => {
  const hex =
    "0a18746d6c2e6c6f73733a546f7263684c6f737352657475726e12b7010a18746d6c2e6c6f73733a546f7263684c6f737352657475726e12290a016212240a06803f80bf00401218000000000000000004000000000000000600000000000000180412360a016912310a10010000000200000003000000040000001218000000000000000008000000000000001000000000000000180322010212360a086c6f6770726f6273122a0a0c000080bf000000c0000040c01218000000000000000008000000000000000c00000000000000180118021a130a086c6f73733a73756d11000000000000f83f";
  const output = {
    lossFnOutputType: "TorchLossReturn",
    lossFnOutputs: [
      { b: TensorData.float32([1, -1]), i: TensorData.int64([1, 2], [1, 2]), logprobs: TensorData.float32([-1, -2]) },
      { b: TensorData.float32([2]), i: TensorData.int64([3, 4], [1, 2]), logprobs: TensorData.float32([-3]) },
    ],
    metrics: { "loss:sum": 1.5 },
  };

  test("narrow types are widened when read", ({ expect }) => {
    expect(decodeForwardBackwardOutput(fromHex(hex))).toEqual(output);
  });

  test("what is written has the wide types, and reads the same", ({ expect }) => {
    const bytes = encodeForwardBackwardOutput(output);
    const { b, i } = fromBinary(wire.ForwardBackwardOutputSchema, bytes).lossFnOutputs[0]!.fields;
    expect([b?.dtype, i?.dtype]).toEqual([wire.DType.FLOAT32, wire.DType.INT64]);
    expect(decodeForwardBackwardOutput(bytes)).toEqual(output);
  });

  test("our description of the messages writes exactly these bytes", ({ expect }) => {
    const message = fromBinary(wire.ForwardBackwardOutputSchema, fromHex(hex));
    expect(toHex(toBinary(wire.ForwardBackwardOutputSchema, message))).toBe(hex);
  });

  test("outputs of float32 alone are written as the service writes them", ({ expect }) => {
    const record = (name: string): string =>
      `0a${name}12360a086c6f6770726f6273122a0a0c000080bf000000c0000040c01218000000000000000008000000000000000c0000000000000018011802`;
    const typed = "18746d6c2e6c6f73733a546f7263684c6f737352657475726e";
    const body = record(typed);
    const bytes = encodeForwardBackwardOutput({
      lossFnOutputType: "tml.loss:TorchLossReturn",
      lossFnOutputs: output.lossFnOutputs.map(({ logprobs }) => ({ logprobs })),
      metrics: {},
    });
    expect(toHex(bytes)).toBe(`0a${typed}12${(body.length / 2).toString(16)}${body}`);
  });
});
