import { request, response } from "../json/codec.ts";
import type { JsonCodec } from "../json/codec.ts";
import { mapped, object, optional, withDefault } from "../json/shape.ts";
import { count, flag, int64, integer, jsonObject, text } from "../json/values.ts";
import type { Int64, JsonObject } from "./common.ts";

/** What a LoRA adapter trains. At least one of the three parts must be true. */
export interface LoraConfig {
  readonly rank: number;
  /** Seed of the adapter's random start. Without one the service draws it. */
  readonly seed?: Int64;
  /** Default true, as are the next two. */
  readonly trainUnembed: boolean;
  readonly trainMlp: boolean;
  readonly trainAttn: boolean;
}

/** `POST /api/v1/create_model`: a new adapter on a base model. The result is a {@link CreateModelResponse}. */
export interface CreateModelRequest {
  readonly sessionId: string;
  /** Counts from 0 in the session. */
  readonly modelSeqId: number;
  readonly baseModel: string;
  readonly userMetadata?: JsonObject;
  readonly loraConfig: LoraConfig;
}

/** Codec of {@link CreateModelRequest}. */
export const CreateModelRequest: JsonCodec<CreateModelRequest> = request<CreateModelRequest>(
  "CreateModelRequest",
  {
    sessionId: text,
    modelSeqId: count,
    baseModel: text,
    userMetadata: optional(jsonObject),
    loraConfig: object<LoraConfig>(
      {
        rank: count,
        seed: optional(int64),
        trainUnembed: withDefault(flag, true),
        trainMlp: withDefault(flag, true),
        trainAttn: withDefault(flag, true),
      },
      { unknownFields: "reject" },
    ),
  },
  "create_model",
);

/** The model's id, by convention `<session>:train:<modelSeqId>`. */
export interface CreateModelResponse {
  readonly modelId: string;
}

/** Codec of {@link CreateModelResponse}. */
export const CreateModelResponse: JsonCodec<CreateModelResponse> = response<CreateModelResponse>(
  "CreateModelResponse",
  { modelId: text },
);

/** `POST /api/v1/get_info`. */
export interface GetInfoRequest {
  readonly modelId: string;
}

/** Codec of {@link GetInfoRequest}. */
export const GetInfoRequest: JsonCodec<GetInfoRequest> = request<GetInfoRequest>(
  "GetInfoRequest",
  { modelId: text },
  "get_info",
);

/** What the service knows of a model's base. */
export interface ModelData {
  readonly arch?: string;
  readonly modelName?: string;
  /** Where its tokenizer is found, without the part from the first colon on (which decoding cuts). */
  readonly tokenizerId?: string;
}

/** A model, described. */
export interface GetInfoResponse {
  readonly modelData: ModelData;
  readonly modelId: string;
  readonly isLora?: boolean;
  readonly loraRank?: number;
  readonly modelName?: string;
}

const tokenizerId = mapped<string, string>(
  text,
  (id) => id,
  (id) => id.split(":", 1)[0] ?? id,
);

/** Codec of {@link GetInfoResponse}. */
export const GetInfoResponse: JsonCodec<GetInfoResponse> = response<GetInfoResponse>("GetInfoResponse", {
  modelData: object<ModelData>(
    { arch: optional(text), modelName: optional(text), tokenizerId: optional(tokenizerId) },
    { unknownFields: "ignore" },
  ),
  modelId: text,
  isLora: optional(flag),
  loraRank: optional(integer),
  modelName: optional(text),
});

/** `POST /api/v1/unload_model`: forget a model's state. The result is an {@link UnloadModelResponse}. */
export interface UnloadModelRequest {
  readonly modelId: string;
}

/** Codec of {@link UnloadModelRequest}. */
export const UnloadModelRequest: JsonCodec<UnloadModelRequest> = request<UnloadModelRequest>(
  "UnloadModelRequest",
  { modelId: text },
  "unload_model",
);

/** Which model was unloaded. */
export interface UnloadModelResponse {
  readonly modelId: string;
}

/** Codec of {@link UnloadModelResponse}. */
export const UnloadModelResponse: JsonCodec<UnloadModelResponse> = response<UnloadModelResponse>(
  "UnloadModelResponse",
  { modelId: text },
);

/** `GET /api/v1/samplers/{id}`: what a sampling session samples from. */
export interface GetSamplerResponse {
  readonly samplerId: string;
  readonly baseModel: string;
  readonly modelPath?: string;
}

/** Codec of {@link GetSamplerResponse}. */
export const GetSamplerResponse: JsonCodec<GetSamplerResponse> = response<GetSamplerResponse>("GetSamplerResponse", {
  samplerId: text,
  baseModel: text,
  modelPath: optional(text),
});
