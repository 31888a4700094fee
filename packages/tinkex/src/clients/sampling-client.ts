import {
  SampleRequest,
  SampleResponse,
  UntypedAPIFuture,
  decodeSampleResponse,
  defaultSamplingParams,
  estimatePromptBytes,
} from "@tinkex/protocol";
import type { ModelInput, SamplingParams } from "@tinkex/protocol";
import type { HttpCall } from "../transport/transport.ts";
import { Lifetime } from "../concurrency/lifetime.ts";
import { Closable } from "./closable.ts";
import { ApiStatusError } from "../errors.ts";
import type { CallOptions, OperationWork } from "../futures/operation.ts";
import type { FutureResult } from "../futures/poll-future.ts";
import type { TinkerFuture } from "../futures/tinker-future.ts";
import type { Connection } from "../session/connection.ts";
import { decodeAnswer, jsonCall, reading } from "../transport/json-call.ts";
import { dispatchSample } from "./dispatch-sample.ts";

/** What to sample. */
export interface SampleOptions {
  readonly prompt: ModelInput;
  /** Default 1. */
  readonly numSamples?: number;
  /** Fields left out have Tinker's defaults: temperature 1, no top-k or top-p limit. */
  readonly samplingParams?: Partial<SamplingParams>;
  /** Also return the log probability of each prompt token. Default false. */
  readonly includePromptLogprobs?: boolean;
  /** Also return this many likeliest tokens per prompt position. Default 0. */
  readonly topkPromptLogprobs?: number;
}

/** Results that have expired on the server are asked for anew, this many times at most. */
const maximumResubmissions = 10;

/** Samples from one set of weights: a base model, a checkpoint, or a snapshot of a model in training. */
export class SamplingClient extends Closable {
  readonly #connection: Connection;
  readonly #lifetime: Lifetime;
  readonly samplingSessionId: string;
  #lastSeqId = -1;

  /** Made by `ServiceClient` and `TrainingClient`; not for users to construct. */
  constructor(connection: Connection, samplingSessionId: string) {
    const lifetime = new Lifetime("The sampling client", connection.lifetime);
    super(lifetime);
    this.#lifetime = lifetime;
    this.#connection = connection;
    this.samplingSessionId = samplingSessionId;
  }

  /**
   * Samples `numSamples` completions of one prompt.
   *
   * Rejects with a `RequestFailedError` of category `user` for a prompt that the model cannot take.
   */
  sample(options: SampleOptions, call: CallOptions = {}): TinkerFuture<SampleResponse> {
    return this.#connection.start("sample", this.#lifetime, call, async (work) => {
      const result = await this.#run(options, work);
      return () => decodeSample(result);
    });
  }

  /** Log probability of each prompt token given those before it; `null` for the first, which has none before it. */
  computeLogprobs(prompt: ModelInput, call: CallOptions = {}): TinkerFuture<readonly (number | null)[]> {
    return this.#connection.start("sample", this.#lifetime, call, async (work) => {
      const options = { prompt, samplingParams: { maxTokens: 1 }, includePromptLogprobs: true };
      const result = await this.#run(options, work);
      return () =>
        Array.from(decodeSample(result).promptLogprobs ?? [], (value) => (Number.isNaN(value) ? null : value));
    });
  }

  async #run(options: SampleOptions, work: OperationWork): Promise<FutureResult> {
    for (let resubmissions = 0; ; resubmissions++) {
      // A number per submission: the retries of one submission carry the same, a resubmission is new work.
      const call = this.#request(options, ++this.#lastSeqId);
      const answer = await dispatchSample(this.#connection, call, estimatePromptBytes(options.prompt), work);
      const { requestId } = decodeAnswer(UntypedAPIFuture, answer);
      try {
        return await this.#connection.result("Sample", requestId, work);
      } catch (error) {
        const expired = error instanceof ApiStatusError && error.status === 410;
        if (!expired || resubmissions === maximumResubmissions) throw error;
        work.progress.enter("queued");
      }
    }
  }

  #request(options: SampleOptions, seqId: number): HttpCall {
    const call = jsonCall("/api/v1/asample", SampleRequest, {
      numSamples: options.numSamples ?? 1,
      prompt: options.prompt,
      samplingParams: { ...defaultSamplingParams, ...options.samplingParams },
      samplingSessionId: this.samplingSessionId,
      seqId,
      promptLogprobs: options.includePromptLogprobs ?? false,
      topkPromptLogprobs: options.topkPromptLogprobs ?? 0,
    });
    return { ...call, headers: { "x-tinker-sampling-backpressure": "1" } };
  }
}

function decodeSample({ format, body }: FutureResult): SampleResponse {
  return reading("sample", () => (format === "protobuf" ? decodeSampleResponse(body) : SampleResponse.decode(body)));
}
