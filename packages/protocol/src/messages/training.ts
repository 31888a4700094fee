import type { Datum, LossFnInputs } from "../data/datum.ts";
import { jsonCodec, request, response } from "../json/codec.ts";
import type { JsonCodec } from "../json/codec.ts";
import { asRecord, list, mapped, object, optional, record, withDefault } from "../json/shape.ts";
import type { Shape } from "../json/shape.ts";
import { datum, tensorData } from "../json/tensors.ts";
import { count, flag, number, oneOf, text } from "../json/values.ts";

/** The built-in loss functions. */
export type LossFnType = "cross_entropy" | "importance_sampling" | "ppo" | "cispo" | "dro";

/** A loss function by name. */
export const lossFnType: Shape<LossFnType> = oneOf("cross_entropy", "importance_sampling", "ppo", "cispo", "dro");

/**
 * `POST /api/v1/forward_backward`: compute losses and, unless `forwardOnly`, add gradients. Travels as protobuf
 * (`encodeForwardBackwardRequest`); the JSON form is for SDKs up to 0.24.1. The result is a {@link ForwardBackwardOutput}.
 */
export interface ForwardBackwardRequest {
  readonly modelId: string;
  /** Position in the model's sequence of operations, from 1; 0 stands for none. */
  readonly seqId: number;
  readonly data: readonly Datum[];
  readonly lossFn: LossFnType;
  /** Settings of the loss function, under Tinker's names, e.g. `clip_low_threshold`. */
  readonly lossFnConfig?: Readonly<Record<string, number>>;
  /** Leave the gradients as they are. */
  readonly forwardOnly: boolean;
}

type LossInput = Pick<ForwardBackwardRequest, "data" | "lossFn" | "lossFnConfig">;

/** The two JSON bodies have the same content under different names. */
interface JsonForwardBackward {
  readonly forwardBackwardInput?: LossInput;
  readonly forwardInput?: LossInput;
  readonly modelId: string;
  readonly seqId?: number;
}

const strict = { unknownFields: "reject" } as const;
const lossInput: Shape<LossInput> = object<LossInput>(
  { data: list(datum), lossFn: lossFnType, lossFnConfig: optional(record(number)) },
  strict,
);

/**
 * Codec of the JSON form of {@link ForwardBackwardRequest}, as SDKs up to 0.24.1 send it: to `/api/v1/forward` when
 * `forwardOnly`, else to `/api/v1/forward_backward`. A missing `seq_id` is read as 0.
 */
export const ForwardBackwardRequest: JsonCodec<ForwardBackwardRequest> = jsonCodec(
  "ForwardBackwardRequest",
  mapped<JsonForwardBackward, ForwardBackwardRequest>(
    object<JsonForwardBackward>(
      {
        forwardBackwardInput: optional(lossInput),
        forwardInput: optional(lossInput),
        modelId: text,
        seqId: optional(count),
      },
      strict,
    ),
    (value, place) => {
      asRecord(value, place);
      const { modelId, seqId, forwardOnly, ...input } = value;
      return {
        ...(flag.encode(forwardOnly, place.at("forward_only")) === true
          ? { forwardInput: input }
          : { forwardBackwardInput: input }),
        modelId,
        ...(seqId !== 0 && { seqId }),
      };
    },
    ({ forwardBackwardInput, forwardInput, modelId, seqId = 0 }, place) => {
      const input = forwardInput ?? forwardBackwardInput;
      if (input === undefined || (forwardInput && forwardBackwardInput)) {
        return place.failWith("given one of forward_backward_input and forward_input", input ? "both" : "neither");
      }
      return { modelId, seqId, ...input, forwardOnly: forwardInput !== undefined };
    },
  ),
);

/** What a loss function returns for one datum, e.g. `logprobs` in the shape of `target_tokens`. */
export type LossFnOutput = LossFnInputs;

/** The result of forward/backward. */
export interface ForwardBackwardOutput {
  readonly lossFnOutputType: string;
  /** One per datum, in the order of the request. */
  readonly lossFnOutputs: readonly LossFnOutput[];
  /** Keys are `name:reduction`, e.g. `loss:sum`; see `combineForwardBackwardOutputs`. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Codec of the JSON form of {@link ForwardBackwardOutput}, which SDKs up to 0.24.1 accept and older servers send. */
export const ForwardBackwardOutput: JsonCodec<ForwardBackwardOutput> = response<ForwardBackwardOutput>(
  "ForwardBackwardOutput",
  {
    lossFnOutputType: text,
    lossFnOutputs: list(record(tensorData("ignore"))),
    metrics: record(number),
  },
);

/** Settings of Adam(W) for one step. */
export interface AdamParams {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  /** Decoupled from the gradient. */
  readonly weightDecay: number;
  /** Gradients are scaled down to this global norm; 0 leaves them. */
  readonly gradClipNorm: number;
}

/** Tinker's defaults: learning rate 1e-4, betas 0.9 and 0.95, eps 1e-12, no decay, no clipping. */
export const defaultAdamParams: AdamParams = {
  learningRate: 1e-4,
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-12,
  weightDecay: 0,
  gradClipNorm: 0,
};

/** `POST /api/v1/optim_step`: apply the gradients and clear them. The result is an {@link OptimStepResponse}. */
export interface OptimStepRequest {
  readonly adamParams: AdamParams;
  readonly modelId: string;
  /** Position in the model's sequence of operations, from 1. */
  readonly seqId: number;
}

/** Codec of {@link OptimStepRequest}. Decoding fills missing settings from {@link defaultAdamParams}. */
export const OptimStepRequest: JsonCodec<OptimStepRequest> = request<OptimStepRequest>(
  "OptimStepRequest",
  {
    adamParams: withDefault(
      object<AdamParams>(
        {
          learningRate: withDefault(number, defaultAdamParams.learningRate),
          beta1: withDefault(number, defaultAdamParams.beta1),
          beta2: withDefault(number, defaultAdamParams.beta2),
          eps: withDefault(number, defaultAdamParams.eps),
          weightDecay: withDefault(number, defaultAdamParams.weightDecay),
          gradClipNorm: withDefault(number, defaultAdamParams.gradClipNorm),
        },
        strict,
      ),
      defaultAdamParams,
    ),
    modelId: text,
    seqId: count,
  },
  "optim_step",
);

/** What the step reports, if anything. */
export interface OptimStepResponse {
  readonly metrics?: Readonly<Record<string, number>>;
}

/** Codec of {@link OptimStepResponse}. */
export const OptimStepResponse: JsonCodec<OptimStepResponse> = response<OptimStepResponse>("OptimStepResponse", {
  metrics: optional(record(number)),
});
