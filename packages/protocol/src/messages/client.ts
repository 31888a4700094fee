import { request, response } from "../json/codec.ts";
import type { JsonCodec } from "../json/codec.ts";
import { list, object, optional, withDefault } from "../json/shape.ts";
import { count, flag, integer, oneOf, text } from "../json/values.ts";

/** `POST /api/v1/client/config` and `POST /api/v1/client/dynamic_config`: who is asking. */
export interface ClientConfigRequest {
  readonly sdkVersion: string;
}

/** Codec of {@link ClientConfigRequest}. */
export const ClientConfigRequest: JsonCodec<ClientConfigRequest> = request<ClientConfigRequest>("ClientConfigRequest", {
  sdkVersion: text,
});

/** How the service wants its clients to behave. Every field may be missing from the answer; decoding fills the default. */
export interface ClientConfigResponse {
  /** Exchange the credential for a short-lived JWT (`/auth/token`). Default false. */
  readonly pjwtAuthEnabled: boolean;
  /** `credential_cmd` makes the credential command mandatory for that exchange. Default `api_key`. */
  readonly credentialDefaultSource: string;
  /** Bytes of prompts that may be on their way at once. Default 10 MiB. */
  readonly sampleDispatchBytesSemaphoreSize: number;
  /** Bytes of large results that may be fetched at once. Default 50 MiB. */
  readonly inflightResponseBytesSemaphoreSize: number;
  /** Send the chunks of one forward/backward call concurrently. Default true. */
  readonly parallelFwdbwdChunks: boolean;
  /** Compress forward/backward bodies with zstd. Default false. */
  readonly protoCompressFwdbwd: boolean;
  /** Most datums in a chunk. Default 1024. */
  readonly fwdbwdMaxChunkLen: number;
  /** Most bytes in a chunk, estimated before compression. Default 5,000,000. */
  readonly fwdbwdMaxChunkBytesCount: number;
  /** Bytes of forward/backward bodies that may be on their way at once. Default 50,000,000. */
  readonly fwdbwdDispatchBytesSemaphoreSize: number;
  /** How long to wait out a 402, in seconds. Default 3600. */
  readonly billingExceptionMaxPauseDurationSec: number;
  /** Do not retry samples. Default false. */
  readonly sampleNoRetries: boolean;
  /** Fail samples that have made no progress for long. Default true. */
  readonly sampleEnableStuckDetection: boolean;
  /** Samples in flight per client. Default 2000. */
  readonly sampleMaxConcurrentRequests: number;
  /** Which HTTP stack the Python SDK uses; of no meaning here. Default true. */
  readonly usePyqwestTransport: boolean;
  /** Create a model and load weights into it in one request. Default false. */
  readonly createModelViaLoadWeights: boolean;
}

/** Codec of {@link ClientConfigResponse}. */
export const ClientConfigResponse: JsonCodec<ClientConfigResponse> = response<ClientConfigResponse>(
  "ClientConfigResponse",
  {
    pjwtAuthEnabled: withDefault(flag, false),
    credentialDefaultSource: withDefault(text, "api_key"),
    sampleDispatchBytesSemaphoreSize: withDefault(integer, 10_485_760),
    inflightResponseBytesSemaphoreSize: withDefault(integer, 52_428_800),
    parallelFwdbwdChunks: withDefault(flag, true),
    protoCompressFwdbwd: withDefault(flag, false),
    fwdbwdMaxChunkLen: withDefault(integer, 1024),
    fwdbwdMaxChunkBytesCount: withDefault(integer, 5_000_000),
    fwdbwdDispatchBytesSemaphoreSize: withDefault(integer, 50_000_000),
    billingExceptionMaxPauseDurationSec: withDefault(integer, 3600),
    sampleNoRetries: withDefault(flag, false),
    sampleEnableStuckDetection: withDefault(flag, true),
    sampleMaxConcurrentRequests: withDefault(integer, 2000),
    usePyqwestTransport: withDefault(flag, true),
    createModelViaLoadWeights: withDefault(flag, false),
  },
);

/** `POST /api/v1/client/dynamic_config`: settings that may change while a client runs. */
export interface ClientDynamicConfigResponse {
  /** Ask again after this many seconds. Default 300. */
  readonly refreshIntervalSec: number;
}

/** Codec of {@link ClientDynamicConfigResponse}. */
export const ClientDynamicConfigResponse: JsonCodec<ClientDynamicConfigResponse> =
  response<ClientDynamicConfigResponse>("ClientDynamicConfigResponse", {
    refreshIntervalSec: withDefault(integer, 300),
  });

/** `POST /api/v1/auth/token`: nothing to say; the credential is in the header. */
export type AuthTokenRequest = Readonly<Record<string, never>>;

/** Codec of {@link AuthTokenRequest}. */
export const AuthTokenRequest: JsonCodec<AuthTokenRequest> = request<AuthTokenRequest>("AuthTokenRequest", {});

/** The token to send instead of the credential. */
export interface AuthTokenResponse {
  readonly jwt: string;
}

/** Codec of {@link AuthTokenResponse}. */
export const AuthTokenResponse: JsonCodec<AuthTokenResponse> = response<AuthTokenResponse>("AuthTokenResponse", {
  jwt: text,
});

/** A base model that can be trained or sampled. */
export interface SupportedModel {
  readonly modelName?: string;
  /** Tokens of prompt and completion together. */
  readonly maxContextLength?: number;
}

/** `GET /api/v1/get_server_capabilities`. */
export interface GetServerCapabilitiesResponse {
  readonly supportedModels: readonly SupportedModel[];
}

/** Codec of {@link GetServerCapabilitiesResponse}. */
export const GetServerCapabilitiesResponse: JsonCodec<GetServerCapabilitiesResponse> =
  response<GetServerCapabilitiesResponse>("GetServerCapabilitiesResponse", {
    supportedModels: list(
      object<SupportedModel>(
        { modelName: optional(text), maxContextLength: optional(count) },
        { unknownFields: "ignore" },
      ),
    ),
  });

/** `GET /api/v1/healthz`. */
export interface HealthResponse {
  readonly status: "ok";
}

/** Codec of {@link HealthResponse}. */
export const HealthResponse: JsonCodec<HealthResponse> = response<HealthResponse>("HealthResponse", {
  status: oneOf("ok"),
});
