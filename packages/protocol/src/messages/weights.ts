import { jsonCodec, request, response } from "../json/codec.ts";
import type { JsonCodec } from "../json/codec.ts";
import { isRecord, object, optional, withDefault } from "../json/shape.ts";
import type { Shape } from "../json/shape.ts";
import { count, flag, integer, jsonObject, text } from "../json/values.ts";
import type { JsonObject } from "./common.ts";

/** Loads a checkpoint into a model that exists. */
export interface LoadIntoModelRequest {
  readonly modelId: string;
  readonly seqId: number;
  /** A `tinker://` path of training weights. */
  readonly path: string;
  /** Load the optimizer's state too. */
  readonly optimizer: boolean;
  /** Permits reading another owner's checkpoint. */
  readonly weightsAccessToken?: string;
}

/** Creates a model from a checkpoint; counts as the new model's request 0. */
export interface CreateFromWeightsRequest {
  readonly sessionId: string;
  /** Counts from 0 in the session. */
  readonly modelSeqId: number;
  readonly baseModel?: string;
  readonly userMetadata?: JsonObject;
  /** A `tinker://` path of training weights. */
  readonly path: string;
  /** Load the optimizer's state too. */
  readonly optimizer: boolean;
  /** Permits reading another owner's checkpoint. */
  readonly weightsAccessToken?: string;
}

/** `POST /api/v1/load_weights`, in either of its two modes: `"modelId" in request` tells which. */
export type LoadWeightsRequest = LoadIntoModelRequest | CreateFromWeightsRequest;

const options = { unknownFields: "reject", tag: "load_weights" } as const;
const loadIntoModel = object<LoadIntoModelRequest>(
  { modelId: text, seqId: count, path: text, optimizer: flag, weightsAccessToken: optional(text) },
  options,
);
const createFromWeights = object<CreateFromWeightsRequest>(
  {
    sessionId: text,
    modelSeqId: count,
    baseModel: optional(text),
    userMetadata: optional(jsonObject),
    path: text,
    optimizer: flag,
    weightsAccessToken: optional(text),
  },
  options,
);
const loadWeights: Shape<LoadWeightsRequest> = {
  encode: (value, place) =>
    isRecord(value) && "sessionId" in value
      ? createFromWeights.encode(value as CreateFromWeightsRequest, place)
      : loadIntoModel.encode(value as LoadIntoModelRequest, place),
  decode: (json, place) =>
    (isRecord(json) && "session_id" in json ? createFromWeights : loadIntoModel).decode(json, place),
};

/** Codec of {@link LoadWeightsRequest}. */
export const LoadWeightsRequest: JsonCodec<LoadWeightsRequest> = jsonCodec("LoadWeightsRequest", loadWeights);

/** What was loaded, if the service says. */
export interface LoadWeightsResponse {
  readonly path?: string;
  readonly modelId?: string;
}

/** Codec of {@link LoadWeightsResponse}. */
export const LoadWeightsResponse: JsonCodec<LoadWeightsResponse> = response<LoadWeightsResponse>(
  "LoadWeightsResponse",
  { path: optional(text), modelId: optional(text) },
);

/** `POST /api/v1/save_weights`: keep weights and optimizer state to go on training from. */
export interface SaveWeightsRequest {
  readonly modelId: string;
  /** The checkpoint's name, not a whole path. */
  readonly path: string;
  readonly seqId: number;
  /** Forget the checkpoint after this many seconds. Without it, keep it. */
  readonly ttlSeconds?: number;
  /** Replace a checkpoint of the same name. */
  readonly overwrite: boolean;
}

/** Codec of {@link SaveWeightsRequest}. */
export const SaveWeightsRequest: JsonCodec<SaveWeightsRequest> = request<SaveWeightsRequest>(
  "SaveWeightsRequest",
  { modelId: text, path: text, seqId: count, ttlSeconds: optional(integer), overwrite: withDefault(flag, false) },
  "save_weights",
);

/** Where the checkpoint is: `tinker://<run>/weights/<name>`. */
export interface SaveWeightsResponse {
  readonly path: string;
}

/** Codec of {@link SaveWeightsResponse}. */
export const SaveWeightsResponse: JsonCodec<SaveWeightsResponse> = response<SaveWeightsResponse>(
  "SaveWeightsResponse",
  { path: text },
);

/** `POST /api/v1/save_weights_for_sampler`: freeze weights to sample from, under a name or for this session only. */
export interface SaveWeightsForSamplerRequest {
  readonly modelId: string;
  /** The checkpoint's name. Left out for an unnamed save, which then has a `samplingSessionSeqId`. */
  readonly path?: string;
  /** Counts from 0 in the session, together with `create_sampling_session`. */
  readonly samplingSessionSeqId?: number;
  readonly seqId: number;
  /** Forget the checkpoint after this many seconds. Without it, keep it. */
  readonly ttlSeconds?: number;
}

/** Codec of {@link SaveWeightsForSamplerRequest}. */
export const SaveWeightsForSamplerRequest: JsonCodec<SaveWeightsForSamplerRequest> =
  request<SaveWeightsForSamplerRequest>(
    "SaveWeightsForSamplerRequest",
    {
      modelId: text,
      path: optional(text),
      samplingSessionSeqId: optional(count),
      seqId: count,
      ttlSeconds: optional(integer),
    },
    "save_weights_for_sampler",
  );

/** A named save has a `path`, an unnamed one a `samplingSessionId`. */
export interface SaveWeightsForSamplerResponse {
  readonly path?: string;
  readonly samplingSessionId?: string;
}

/** Codec of {@link SaveWeightsForSamplerResponse}. */
export const SaveWeightsForSamplerResponse: JsonCodec<SaveWeightsForSamplerResponse> =
  response<SaveWeightsForSamplerResponse>("SaveWeightsForSamplerResponse", {
    path: optional(text),
    samplingSessionId: optional(text),
  });

/** `POST /api/v1/weights_info`. */
export interface WeightsInfoRequest {
  readonly tinkerPath: string;
}

/** Codec of {@link WeightsInfoRequest}. */
export const WeightsInfoRequest: JsonCodec<WeightsInfoRequest> = request<WeightsInfoRequest>("WeightsInfoRequest", {
  tinkerPath: text,
});

/** What a checkpoint holds. */
export interface WeightsInfoResponse {
  readonly baseModel: string;
  readonly isLora: boolean;
  readonly loraRank?: number;
  readonly trainUnembed?: boolean;
  readonly trainMlp?: boolean;
  readonly trainAttn?: boolean;
}

/** Codec of {@link WeightsInfoResponse}. */
export const WeightsInfoResponse: JsonCodec<WeightsInfoResponse> = response<WeightsInfoResponse>(
  "WeightsInfoResponse",
  {
    baseModel: text,
    isLora: flag,
    loraRank: optional(integer),
    trainUnembed: optional(flag),
    trainMlp: optional(flag),
    trainAttn: optional(flag),
  },
);
