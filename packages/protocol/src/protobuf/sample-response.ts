import type { MessageInitShape } from "@bufbuild/protobuf";
import * as wire from "../gen/tinker_public_pb.js";
import { integer } from "../json/values.ts";
import { checkSampleResponse } from "../messages/sampling.ts";
import type { SampledSequence, SampleResponse, StopReason, TopkPromptLogprobs } from "../messages/sampling.ts";
import { Place } from "../protocol-error.ts";
import { bytesOf, float32Array, int32Array } from "./packed.ts";
import { readMessage, writeMessage } from "./wire.ts";

const place = Place.root("SampleResponse");

type SequenceInit = MessageInitShape<typeof wire.SampledSequenceSchema>;

function sequenceToWire({ tokens, logprobs, stopReason }: SampledSequence): SequenceInit {
  return {
    stopReason: stopReason === "stop" ? wire.StopReason.STOP : wire.StopReason.LENGTH,
    tokens: bytesOf(tokens),
    ...(logprobs && { logprobs: bytesOf(logprobs) }),
  };
}

/** The protobuf result of sampling. Throws `ProtocolError` for sizes that disagree. */
export function encodeSampleResponse(response: SampleResponse): Uint8Array {
  const { sequences, promptLogprobs, topkPromptLogprobs, promptCacheHitTokens } = checkSampleResponse(response, place);
  return writeMessage(
    wire.SampleResponseSchema,
    {
      sequences: sequences.map(sequenceToWire),
      ...(promptLogprobs && { promptLogprobs: bytesOf(promptLogprobs) }),
      ...(topkPromptLogprobs && {
        topkPromptLogprobs: {
          tokenIds: bytesOf(topkPromptLogprobs.tokenIds),
          logprobs: bytesOf(topkPromptLogprobs.logprobs),
          k: topkPromptLogprobs.k,
          promptLength: topkPromptLogprobs.promptLength,
        },
      }),
      promptCacheHitTokens,
    },
    place,
  );
}

function stopReasonFromWire(reason: wire.StopReason, at: Place): StopReason {
  switch (reason) {
    case wire.StopReason.STOP:
      return "stop";
    case wire.StopReason.LENGTH:
      return "length";
    default:
      return at.failWith("0 (stop) or 1 (length)", String(reason));
  }
}

function sequenceFromWire({ tokens, logprobs, stopReason }: wire.SampledSequence, at: Place): SampledSequence {
  return {
    tokens: int32Array(tokens, at.at("tokens")),
    ...(logprobs !== undefined && logprobs.length > 0 && { logprobs: float32Array(logprobs, at.at("logprobs")) }),
    stopReason: stopReasonFromWire(stopReason, at.at("stop_reason")),
  };
}

function topkFromWire({
  k,
  promptLength,
  tokenIds,
  logprobs,
}: wire.TopkPromptLogprobs): TopkPromptLogprobs | undefined {
  if (k === 0 || promptLength === 0) return undefined;
  const at = place.at("topk_prompt_logprobs");
  return {
    k,
    promptLength,
    tokenIds: int32Array(tokenIds, at.at("token_ids")),
    logprobs: float32Array(logprobs, at.at("logprobs")),
  };
}

/**
 * Reads the protobuf result of sampling. Empty logprobs and a top-k of no cells are the same as none. Arrays are copies,
 * and the body may be reused. Throws `ProtocolError`.
 */
export function decodeSampleResponse(body: Uint8Array): SampleResponse {
  const message = readMessage(wire.SampleResponseSchema, body, place);
  const { promptLogprobs, topkPromptLogprobs } = message;
  const topk = topkPromptLogprobs && topkFromWire(topkPromptLogprobs);
  return checkSampleResponse(
    {
      sequences: message.sequences.map((sequence, index) =>
        sequenceFromWire(sequence, place.at("sequences").at(index)),
      ),
      ...(promptLogprobs !== undefined &&
        promptLogprobs.length > 0 && { promptLogprobs: float32Array(promptLogprobs, place.at("prompt_logprobs")) }),
      ...(topk && { topkPromptLogprobs: topk }),
      promptCacheHitTokens: integer.decode(message.promptCacheHitTokens, place.at("prompt_cache_hit_tokens")),
    },
    place,
  );
}
