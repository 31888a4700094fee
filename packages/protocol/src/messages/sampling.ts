import type { ModelInput } from "../data/model-input.ts";
import { floats, floatsOrNull, tokenArray } from "../json/arrays.ts";
import { jsonCodec, request } from "../json/codec.ts";
import type { JsonCodec } from "../json/codec.ts";
import { asArray, asRecord, list, mapped, nullable, object, optional, same, withDefault } from "../json/shape.ts";
import type { Shape } from "../json/shape.ts";
import { modelInput } from "../json/tensors.ts";
import { count, flag, int64, integer, number, oneOf, text } from "../json/values.ts";
import { Place } from "../protocol-error.ts";
import type { Int64 } from "./common.ts";

/** How to sample. */
export interface SamplingParams {
  /** Most tokens to sample. Without it, as many as fit the model's context. */
  readonly maxTokens?: number;
  /** Makes the sample repeatable. Without one every call draws anew. */
  readonly seed?: Int64;
  /** Ends the sample: a string, strings, or token ids. */
  readonly stop?: string | readonly string[] | readonly number[];
  /** 0 takes the likeliest token. Default 1. */
  readonly temperature: number;
  /** Only the k likeliest tokens; -1 (the default) for all. */
  readonly topK: number;
  /** Only the likeliest tokens that make up this probability. Default 1. */
  readonly topP: number;
}

/** Tinker's defaults: temperature 1, no top-k, no top-p, no stop, no limit of its own. */
export const defaultSamplingParams: SamplingParams = { temperature: 1, topK: -1, topP: 1 };

/**
 * `POST /api/v1/asample`. Where to sample from is one of `samplingSessionId` (what SDKs send), `baseModel` and
 * `modelPath`. The result is a {@link SampleResponse}.
 */
export interface SampleRequest {
  readonly numSamples: number;
  readonly prompt: ModelInput;
  readonly samplingParams: SamplingParams;
  readonly baseModel?: string;
  /** A `tinker://` path of sampler weights. */
  readonly modelPath?: string;
  readonly samplingSessionId?: string;
  /** Names this sample within the session; the Python SDK may start anywhere below 10^18. */
  readonly seqId?: Int64;
  /** Return the logprob of each prompt token. */
  readonly promptLogprobs: boolean;
  /** Return this many likeliest tokens for each prompt position; 0 for none. */
  readonly topkPromptLogprobs: number;
}

/** A string, a list of strings or a list of token ids, not mixed. */
const stop: Shape<string | readonly string[] | readonly number[]> = (() => {
  const strings = list(text);
  const ids = list(integer);
  const choose = (value: unknown): Shape<never> => {
    if (typeof value === "string") return text as Shape<never>;
    return (Array.isArray(value) && typeof value[0] === "number" ? ids : strings) as Shape<never>;
  };
  return {
    encode: (value, place) => choose(value).encode(value as never, place),
    decode: (json, place) => choose(json).decode(json, place),
  };
})();

const samplingParams: Shape<SamplingParams> = object<SamplingParams>(
  {
    maxTokens: optional(count),
    seed: optional(int64),
    stop: optional(stop),
    temperature: withDefault(number, defaultSamplingParams.temperature),
    topK: withDefault(integer, defaultSamplingParams.topK),
    topP: withDefault(number, defaultSamplingParams.topP),
  },
  { unknownFields: "reject" },
);

/** Codec of {@link SampleRequest}. Decoding fills {@link defaultSamplingParams}, one sample and no prompt logprobs. */
export const SampleRequest: JsonCodec<SampleRequest> = request<SampleRequest>(
  "SampleRequest",
  {
    numSamples: withDefault(count, 1),
    prompt: modelInput,
    samplingParams: withDefault(samplingParams, defaultSamplingParams),
    baseModel: optional(text),
    modelPath: optional(text),
    samplingSessionId: optional(text),
    seqId: optional(int64),
    promptLogprobs: withDefault(flag, false),
    topkPromptLogprobs: withDefault(count, 0),
  },
  "sample",
);

/** Why a sample ended: at a stop sequence (or the end-of-text token), or at its greatest length. */
export type StopReason = "stop" | "length";

const stopReasons: Shape<StopReason> = oneOf("stop", "length");

/** One sample. */
export interface SampledSequence {
  readonly tokens: Int32Array;
  /** Logprob of each of `tokens` when it was sampled. */
  readonly logprobs?: Float32Array;
  readonly stopReason: StopReason;
}

/** The likeliest tokens at each prompt position. */
export interface TopkPromptLogprobs {
  /** Cells per position. */
  readonly k: number;
  readonly promptLength: number;
  /** Row-major, `promptLength` x `k`. An empty cell has token 0 and logprob -99999. */
  readonly tokenIds: Int32Array;
  /** In the same layout. */
  readonly logprobs: Float32Array;
}

/** The result of sampling. Travels as protobuf (`encodeSampleResponse`). */
export interface SampleResponse {
  readonly sequences: readonly SampledSequence[];
  /** One per prompt token; NaN where there is none, as for the first, which nothing precedes. */
  readonly promptLogprobs?: Float32Array;
  readonly topkPromptLogprobs?: TopkPromptLogprobs;
  /** Prompt tokens found in the service's cache, counted once whatever the number of samples. */
  readonly promptCacheHitTokens: number;
}

/** What stands in a cell that has no token. */
const emptyCell = { token: 0, logprob: -99_999 } as const;

/** One long row makes all others as long, so a small body could ask for a huge matrix. */
const mostCells = 2 ** 24;
const topkPlace = Place.root("TopkPromptLogprobs");

/** One position's likeliest tokens with their logprobs, likeliest first; null where there are none. */
export type TopkCells = readonly (readonly [token: number, logprob: number])[] | null;

/** Functions on {@link TopkPromptLogprobs}. */
export const TopkPromptLogprobs = {
  /** One entry per prompt position, without the empty cells at its end; null when its first cell is empty. */
  toList({ k, promptLength, tokenIds, logprobs }: TopkPromptLogprobs): TopkCells[] {
    const isEmpty = (cell: number): boolean =>
      tokenIds[cell] === emptyCell.token && logprobs[cell] === emptyCell.logprob;
    return Array.from({ length: promptLength }, (_, position) => {
      const start = position * k;
      let end = start + k;
      if (isEmpty(start)) return null;
      while (isEmpty(end - 1)) end -= 1;
      return Array.from({ length: end - start }, (__, index) => [
        Number(tokenIds[start + index]),
        Number(logprobs[start + index]),
      ]);
    });
  },

  /** The inverse of `toList`; `k` is the length of the longest entry. Throws `ProtocolError` beyond 2^24 cells. */
  fromList(rows: readonly TopkCells[]): TopkPromptLogprobs {
    const k = rows.reduce((longest, row) => Math.max(longest, row?.length ?? 0), 1);
    const cells = rows.length * k;
    if (cells > mostCells) topkPlace.failWith(`of at most ${mostCells} cells`, `${rows.length} rows of up to ${k}`);
    const tokenIds = new Int32Array(cells).fill(emptyCell.token);
    const logprobs = new Float32Array(cells).fill(emptyCell.logprob);
    for (const [position, row] of rows.entries()) {
      for (const [index, [token, logprob]] of (row ?? []).entries()) {
        tokenIds[position * k + index] = token;
        logprobs[position * k + index] = logprob;
      }
    }
    return { k, promptLength: rows.length, tokenIds, logprobs };
  },
};

const int32Array = same("an Int32Array", (value): value is Int32Array => value instanceof Int32Array);
const float32Array = same("a Float32Array", (value): value is Float32Array => value instanceof Float32Array);

function checkSequence({ tokens, logprobs, stopReason }: SampledSequence, place: Place): void {
  int32Array.encode(tokens, place.at("tokens"));
  stopReasons.encode(stopReason, place.at("stop_reason"));
  if (logprobs === undefined) return;
  const at = place.at("logprobs");
  float32Array.encode(logprobs, at);
  if (logprobs.length !== tokens.length) at.failWith(`${tokens.length} long, one per token`, `${logprobs.length}`);
}

function checkTopk({ k, promptLength, tokenIds, logprobs }: TopkPromptLogprobs, place: Place): void {
  const cells = count.decode(k, place.at("k")) * count.decode(promptLength, place.at("prompt_length"));
  int32Array.encode(tokenIds, place.at("token_ids"));
  float32Array.encode(logprobs, place.at("logprobs"));
  for (const [name, { length }] of Object.entries({ token_ids: tokenIds, logprobs })) {
    if (length !== cells) place.at(name).failWith(`${cells} long, k for each position`, `${length}`);
  }
}

/** Returns the response if its arrays agree in size, else throws `ProtocolError`. */
export function checkSampleResponse(response: SampleResponse, place: Place): SampleResponse {
  const sequences = place.at("sequences");
  for (const [index, sequence] of asArray(asRecord(response, place)["sequences"], sequences).entries()) {
    asRecord(sequence, sequences.at(index));
    checkSequence(sequence as SampledSequence, sequences.at(index));
  }
  const { promptLogprobs, topkPromptLogprobs: topk } = response;
  if (promptLogprobs !== undefined) float32Array.encode(promptLogprobs, place.at("prompt_logprobs"));
  if (topk !== undefined) {
    asRecord(topk, place.at("topk_prompt_logprobs"));
    checkTopk(topk, place.at("topk_prompt_logprobs"));
  }
  return response;
}

const cell: Shape<readonly [number, number]> = mapped<readonly number[], readonly [number, number]>(
  list(number),
  (pair) => pair,
  ([token, logprob, ...rest], place) =>
    token === undefined || logprob === undefined || rest.length > 0
      ? place.failWith("a pair of token and logprob", "another length")
      : [token, logprob],
);

const sampleResponse: Shape<SampleResponse> = object<SampleResponse>(
  {
    sequences: list(
      object<SampledSequence>(
        { tokens: tokenArray, logprobs: optional(floats), stopReason: stopReasons },
        { unknownFields: "ignore" },
      ),
    ),
    promptLogprobs: optional(floatsOrNull),
    topkPromptLogprobs: optional(
      mapped<readonly TopkCells[], TopkPromptLogprobs>(
        list(nullable(list(cell))),
        (topk) => TopkPromptLogprobs.toList(topk),
        (rows) => TopkPromptLogprobs.fromList(rows),
      ),
    ),
    promptCacheHitTokens: withDefault(integer, 0),
  },
  { unknownFields: "ignore", tag: "sample" },
);

/** Codec of the JSON form of {@link SampleResponse}, which SDKs up to 0.24.1 accept and older servers send. */
export const SampleResponse: JsonCodec<SampleResponse> = jsonCodec(
  "SampleResponse",
  mapped(sampleResponse, checkSampleResponse, checkSampleResponse),
);
