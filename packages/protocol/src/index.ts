export { ProtocolError } from "./protocol-error.ts";
export type { ProtocolErrorDetails } from "./protocol-error.ts";
export { TinkerPath } from "./tinker-path.ts";
export type { TinkerPathKind } from "./tinker-path.ts";

export type { JsonCodec } from "./json/codec.ts";
export type { AccessScope, Cursor, Int64, JsonObject, JsonValue } from "./messages/common.ts";

export { Datum } from "./data/datum.ts";
export type { DatumOptions, LossFnInput, LossFnInputs, NestedNumbers } from "./data/datum.ts";
export { chunkData, estimateDatumBytes, estimatePromptBytes } from "./data/estimates.ts";
export type { ChunkLimits } from "./data/estimates.ts";
export { ModelInput } from "./data/model-input.ts";
export type {
  DmelChunk,
  EncodedTextChunk,
  ImageAssetPointerChunk,
  ImageChunk,
  ModelInputChunk,
} from "./data/model-input.ts";
export { tensorContainerDimension } from "./data/tensor-container.ts";
export { TensorData } from "./data/tensor-data.ts";
export type {
  Float32TensorData,
  Int64TensorData,
  SparseCsrOptions,
  SparseIndices,
  TensorDtype,
  TensorLayout,
} from "./data/tensor-data.ts";

export { AuditLogResponse, BillingUsageResponse } from "./messages/account.ts";
export type {
  AuditEventType,
  AuditLogEntry,
  BillingEventInfo,
  BillingUsageEvent,
  BillingUsageSession,
  CheckpointBillingEvent,
  SamplingPrefillBillingEvent,
  SamplingSampleBillingEvent,
  StorageBillingEvent,
  TrainingBillingEvent,
} from "./messages/account.ts";
export {
  AuthTokenRequest,
  AuthTokenResponse,
  ClientConfigRequest,
  ClientConfigResponse,
  ClientDynamicConfigResponse,
  GetServerCapabilitiesResponse,
  HealthResponse,
} from "./messages/client.ts";
export type { SupportedModel } from "./messages/client.ts";
export { FutureRetrieveRequest, RetrieveFutureReply, UntypedAPIFuture } from "./messages/future.ts";
export type {
  ErrorReply,
  MetadataReply,
  QueueState,
  RequestErrorCategory,
  ResultReply,
  TryAgainReply,
} from "./messages/future.ts";
export {
  CreateModelRequest,
  CreateModelResponse,
  GetInfoRequest,
  GetInfoResponse,
  GetSamplerResponse,
  UnloadModelRequest,
  UnloadModelResponse,
} from "./messages/model.ts";
export type { LoraConfig, ModelData } from "./messages/model.ts";
export { defaultSamplingParams, SampleRequest, SampleResponse, TopkPromptLogprobs } from "./messages/sampling.ts";
export type { SampledSequence, SamplingParams, StopReason, TopkCells } from "./messages/sampling.ts";
export {
  AssignSessionProjectRequest,
  CreateSamplingSessionRequest,
  CreateSamplingSessionResponse,
  CreateSessionRequest,
  CreateSessionResponse,
  GetSessionResponse,
  ListSessionsResponse,
  SessionHeartbeatRequest,
  SessionHeartbeatResponse,
  TraceExportResponse,
} from "./messages/session.ts";
export { TelemetryResponse, TelemetrySendRequest } from "./messages/telemetry.ts";
export type {
  GenericEvent,
  SessionEndEvent,
  SessionStartEvent,
  Severity,
  TelemetryEvent,
  TelemetryEventBase,
  UnhandledExceptionEvent,
} from "./messages/telemetry.ts";
export {
  CheckpointArchiveUrlResponse,
  CheckpointsListResponse,
  SetCheckpointTtlRequest,
  TrainingRun,
  TrainingRunsResponse,
} from "./messages/training-runs.ts";
export type { Checkpoint, CheckpointType } from "./messages/training-runs.ts";
export {
  defaultAdamParams,
  ForwardBackwardOutput,
  ForwardBackwardRequest,
  OptimStepRequest,
  OptimStepResponse,
} from "./messages/training.ts";
export type { AdamParams, LossFnOutput, LossFnType } from "./messages/training.ts";
export {
  LoadWeightsRequest,
  LoadWeightsResponse,
  SaveWeightsForSamplerRequest,
  SaveWeightsForSamplerResponse,
  SaveWeightsRequest,
  SaveWeightsResponse,
  WeightsInfoRequest,
  WeightsInfoResponse,
} from "./messages/weights.ts";
export type { CreateFromWeightsRequest, LoadIntoModelRequest } from "./messages/weights.ts";

export { combineForwardBackwardOutputs } from "./metrics/combine-outputs.ts";
export { decodeForwardBackwardOutput, encodeForwardBackwardOutput } from "./protobuf/forward-backward-output.ts";
export { decodeForwardBackwardRequest, encodeForwardBackwardRequest } from "./protobuf/forward-backward-request.ts";
export { decodeSampleResponse, encodeSampleResponse } from "./protobuf/sample-response.ts";
