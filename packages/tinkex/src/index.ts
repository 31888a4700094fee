export { ServiceClient } from "./clients/service-client.ts";
export type { LoraTrainingOptions, SamplingTarget } from "./clients/service-client.ts";
export type { PassOptions, TrainingClient } from "./clients/training-client.ts";
export type { SampleOptions, SamplingClient } from "./clients/sampling-client.ts";
export type { ServiceClientOptions } from "./client-options.ts";
export {
  ApiStatusError,
  ClosedError,
  ConfigurationError,
  ConnectionError,
  DeadlineError,
  InvalidRequestError,
  InvalidResponseError,
  RequestFailedError,
  RequestTimeoutError,
  TinkerError,
} from "./errors.ts";
export type { TinkerErrorCode } from "./errors.ts";
export type { CallOptions } from "./futures/operation.ts";
export type { InFlightOperation, OperationKind, OperationState } from "./futures/operation-progress.ts";
export type { TinkerFuture } from "./futures/tinker-future.ts";
export { systemRuntime } from "./runtime.ts";
export type { Runtime, SleepOptions } from "./runtime.ts";
export { createTokenizer } from "./tokenizer/tokenizer.ts";
export type { Tokenizer, TokenizerLoader } from "./tokenizer/tokenizer.ts";
export { Datum, ModelInput, TensorData, defaultAdamParams, defaultSamplingParams } from "@tinkex/protocol";
export type {
  AdamParams,
  ForwardBackwardOutput,
  GetInfoResponse,
  GetServerCapabilitiesResponse,
  LoraConfig,
  LossFnType,
  OptimStepResponse,
  SampleResponse,
  SampledSequence,
  SamplingParams,
  StopReason,
} from "@tinkex/protocol";
