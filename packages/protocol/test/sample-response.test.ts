import { create, toBinary } from "@bufbuild/protobuf";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { TopkPromptLogprobs, decodeSampleResponse, encodeSampleResponse } from "@tinkex/protocol";
import type { SampleResponse } from "@tinkex/protocol";
import { describe, test } from "vitest";
import * as wire from "../src/gen/tinker_public_pb.js";
import { thrownBy } from "./support/thrown.ts";

const decode = (message: MessageInitShape<typeof wire.SampleResponseSchema>): SampleResponse =>
  decodeSampleResponse(toBinary(wire.SampleResponseSchema, create(wire.SampleResponseSchema, message)));

const bytes = (length: number): Uint8Array => new Uint8Array(length);

describe("what is empty on the wire is absent", () => {
  test("logprobs of a sequence", ({ expect }) => {
    expect(decode({ sequences: [{ tokens: bytes(4), logprobs: bytes(0) }] }).sequences).toEqual([
      { tokens: Int32Array.of(0), stopReason: "stop" },
    ]);
  });

  test("prompt logprobs, and a table of no cells", ({ expect }) => {
    const nothing = { sequences: [], promptCacheHitTokens: 0 };
    expect(decode({ promptLogprobs: bytes(0) })).toEqual(nothing);
    expect(decode({ topkPromptLogprobs: { k: 0, promptLength: 3 } })).toEqual(nothing);
    expect(decode({ topkPromptLogprobs: { k: 3, promptLength: 0 } })).toEqual(nothing);
  });
});

describe("sizes that disagree are refused, by place", () => {
  test.for<[string, MessageInitShape<typeof wire.SampleResponseSchema>]>([
    ["sequences[0].logprobs", { sequences: [{ tokens: bytes(8), logprobs: bytes(4) }] }],
    ["sequences[0].tokens", { sequences: [{ tokens: bytes(7) }] }],
    ["sequences[0].stop_reason", { sequences: [{ stopReason: 2 as wire.StopReason }] }],
    ["prompt_logprobs", { promptLogprobs: bytes(5) }],
    [
      "topk_prompt_logprobs.token_ids",
      { topkPromptLogprobs: { k: 2, promptLength: 3, tokenIds: bytes(20), logprobs: bytes(24) } },
    ],
    [
      "topk_prompt_logprobs.logprobs",
      { topkPromptLogprobs: { k: 2, promptLength: 3, tokenIds: bytes(24), logprobs: bytes(28) } },
    ],
    ["topk_prompt_logprobs.token_ids", { topkPromptLogprobs: { k: 0xffff_ffff, promptLength: 0xffff_ffff } }],
  ])("%s", ([path, message], { expect }) => {
    const error = thrownBy(() => decode(message));
    expect([error.messageKind, error.path]).toEqual(["SampleResponse", path]);
  });

  test("also before they are written", ({ expect }) => {
    const sequence = { tokens: Int32Array.of(1), logprobs: Float32Array.of(1, 2), stopReason: "stop" } as const;
    const error = thrownBy(() => encodeSampleResponse({ sequences: [sequence], promptCacheHitTokens: 0 }));
    expect(error.message).toBe("SampleResponse: sequences[0].logprobs must be 1 long, one per token, found 2");
  });
});

test("token 0 is a token like any other when it has a logprob", ({ expect }) => {
  const rows = [[[0, -0.5] as const, [3, -1] as const], null, [[0, -2] as const]];
  expect(TopkPromptLogprobs.toList(TopkPromptLogprobs.fromList(rows))).toEqual(rows);
});
