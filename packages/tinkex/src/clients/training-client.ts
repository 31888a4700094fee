import {
  ForwardBackwardOutput,
  GetInfoRequest,
  GetInfoResponse,
  LoadWeightsRequest,
  LoadWeightsResponse,
  OptimStepRequest,
  OptimStepResponse,
  SaveWeightsForSamplerRequest,
  SaveWeightsForSamplerResponse,
  SaveWeightsRequest,
  SaveWeightsResponse,
  UntypedAPIFuture,
  chunkData,
  combineForwardBackwardOutputs,
  decodeForwardBackwardOutput,
  defaultAdamParams,
  encodeForwardBackwardRequest,
} from "@tinkex/protocol";
import type { AdamParams, ClientConfigResponse, Datum, JsonCodec, LossFnType } from "@tinkex/protocol";
import { Lifetime } from "../concurrency/lifetime.ts";
import { Closable } from "./closable.ts";
import { linkSignals } from "../concurrency/linked-signal.ts";
import { InvalidRequestError, InvalidResponseError } from "../errors.ts";
import type { CallOptions, OperationWork } from "../futures/operation.ts";
import type { OperationKind } from "../futures/operation-progress.ts";
import type { FutureResult, FutureType } from "../futures/poll-future.ts";
import type { TinkerFuture } from "../futures/tinker-future.ts";
import type { Connection } from "../session/connection.ts";
import { decodeAnswer, jsonCall, reading } from "../transport/json-call.ts";
import type { Session } from "../session/session.ts";
import { resolveTokenizerId } from "../tokenizer/tokenizer.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { HttpCall } from "../transport/transport.ts";
import { SamplingClient } from "./sampling-client.ts";
import { SubmissionOrder } from "./submission-order.ts";

/** Options of a forward or forward-backward pass. */
export interface PassOptions extends CallOptions {
  /** Parameters of the loss, such as `clip_low_threshold` of `ppo`. */
  readonly lossFnConfig?: Readonly<Record<string, number>>;
}

/** What a `TrainingClient` is made of; see `ServiceClient.createLoraTrainingClient`. */
export interface TrainingClientParts {
  readonly connection: Connection;
  readonly session: Session;
  readonly config: ClientConfigResponse;
  readonly modelId: string;
}

/**
 * Trains one model. Operations take effect in the order of the calls, so they can be pipelined: call `forwardBackward`
 * and `optimStep` one after the other and await both. Data passed in must stay unchanged until its future has a
 * `requestId`.
 *
 * Every method that returns a future has taken its place in that order when it returns.
 */
export class TrainingClient extends Closable {
  readonly modelId: string;
  readonly #connection: Connection;
  readonly #session: Session;
  readonly #config: ClientConfigResponse;
  readonly #lifetime: Lifetime;
  readonly #order = new SubmissionOrder();

  /** Made by `ServiceClient`; not for users to construct. */
  constructor({ connection, session, config, modelId }: TrainingClientParts) {
    const lifetime = new Lifetime(`The training client of ${modelId}`, connection.lifetime);
    super(lifetime);
    this.#lifetime = lifetime;
    this.modelId = modelId;
    this.#connection = connection;
    this.#session = session;
    this.#config = config;
  }

  /** Computes the loss and its gradients, and adds the gradients (a sum over tokens) to what the model has gathered. */
  forwardBackward(
    data: readonly Datum[],
    lossFn: LossFnType,
    options: PassOptions = {},
  ): TinkerFuture<ForwardBackwardOutput> {
    return this.#pass("forwardBackward", data, lossFn, options);
  }

  /** Computes the loss only; gradients stay as they are. */
  forward(data: readonly Datum[], lossFn: LossFnType, options: PassOptions = {}): TinkerFuture<ForwardBackwardOutput> {
    return this.#pass("forward", data, lossFn, options);
  }

  /** Applies the gathered gradients with Adam and clears them. Fields left out have Tinker's defaults. */
  optimStep(adamParams: Partial<AdamParams> = {}, options: CallOptions = {}): TinkerFuture<OptimStepResponse> {
    const build = (seqId: number): HttpCall =>
      jsonCall("/api/v1/optim_step", OptimStepRequest, {
        modelId: this.modelId,
        seqId,
        adamParams: { ...defaultAdamParams, ...adamParams },
      });
    return this.#ordered("optimStep", "OptimStep", build, OptimStepResponse, options);
  }

  /**
   * Saves weights and optimizer state under `name`; resolves with the checkpoint's `tinker://` path.
   *
   * @param options `ttlSeconds`: forget it after so long, default never; `overwrite`: replace one of the same name,
   * default false
   */
  saveState(
    name: string,
    options: CallOptions & { readonly ttlSeconds?: number; readonly overwrite?: boolean } = {},
  ): TinkerFuture<SaveWeightsResponse> {
    const { ttlSeconds, overwrite = false } = options;
    const build = (seqId: number): HttpCall =>
      jsonCall("/api/v1/save_weights", SaveWeightsRequest, {
        modelId: this.modelId,
        path: name,
        seqId,
        overwrite,
        ...(ttlSeconds !== undefined && { ttlSeconds }),
      });
    return this.#ordered("saveState", "SaveWeights", build, SaveWeightsResponse, options);
  }

  /** Loads weights from a `tinker://` path of `saveState`; with `optimizer: true` the optimizer's state too. */
  loadState(
    path: string,
    options: CallOptions & { readonly optimizer?: boolean } = {},
  ): TinkerFuture<LoadWeightsResponse> {
    const build = (seqId: number): HttpCall =>
      jsonCall("/api/v1/load_weights", LoadWeightsRequest, {
        modelId: this.modelId,
        seqId,
        path,
        optimizer: options.optimizer ?? false,
      });
    return this.#ordered("loadState", "LoadWeights", build, LoadWeightsResponse, options);
  }

  /** Saves weights for sampling under `name`; resolves with a path for `ServiceClient.createSamplingClient`. */
  saveWeightsForSampler(
    name: string,
    options: CallOptions & { readonly ttlSeconds?: number } = {},
  ): TinkerFuture<SaveWeightsForSamplerResponse> {
    const { ttlSeconds } = options;
    return this.#saveForSampler({ path: name, ...(ttlSeconds !== undefined && { ttlSeconds }) }, options);
  }

  /** Freezes the model as it is after all earlier calls, and samples from that; later training does not change it. */
  async saveWeightsAndGetSamplingClient(options: CallOptions = {}): Promise<SamplingClient> {
    // Taken once: a retry of this save must name the same sampling session.
    const samplingSessionSeqId = this.#session.nextSamplerSeqId();
    const saved = await this.#saveForSampler({ samplingSessionSeqId }, options);
    if (saved.samplingSessionId === undefined) {
      throw new InvalidResponseError("The server saved sampler weights but named no sampling session for them");
    }
    return new SamplingClient(this.#connection, saved.samplingSessionId);
  }

  /** What the server knows of this model. */
  async getInfo(options: Pick<CallOptions, "signal"> = {}): Promise<GetInfoResponse> {
    return await this.#lifetime.run(options.signal, async (signal) => {
      const call = jsonCall("/api/v1/get_info", GetInfoRequest, { modelId: this.modelId });
      return decodeAnswer(GetInfoResponse, await this.#connection.send(call, signal));
    });
  }

  /** The model's tokenizer, loaded once for all clients of the service. */
  async getTokenizer(options: Pick<CallOptions, "signal"> = {}): Promise<Tokenizer> {
    const { modelData } = await this.getInfo(options);
    if (modelData.modelName === undefined) {
      throw new InvalidResponseError("The server does not say which model this is, so its tokenizer is unknown");
    }
    using work = linkSignals(options.signal, this.#lifetime.signal);
    const id = resolveTokenizerId(modelData.modelName, modelData.tokenizerId);
    return await this.#connection.tokenizer(id, work.signal);
  }

  #pass(
    operation: "forward" | "forwardBackward",
    data: readonly Datum[],
    lossFn: LossFnType,
    options: PassOptions,
  ): TinkerFuture<ForwardBackwardOutput> {
    const { lossFnConfig } = options;
    const type = operation === "forward" ? "Forward" : "ForwardBackward";
    return this.#connection.start(operation, this.#lifetime, options, async (work) => {
      if (data.length === 0) throw new InvalidRequestError(`${operation} was called without data`);
      const chunks = chunkData(data, {
        maxLength: this.#config.fwdbwdMaxChunkLen,
        maxBytes: this.#config.fwdbwdMaxChunkBytesCount,
      });
      const builds = chunks.map((chunk) => (seqId: number): HttpCall => {
        const content = encodeForwardBackwardRequest({
          modelId: this.modelId,
          seqId,
          data: chunk,
          lossFn,
          forwardOnly: operation === "forward",
          ...(lossFnConfig && { lossFnConfig }),
        });
        return {
          method: "POST",
          path: "/api/v1/forward_backward",
          body: { content, type: "application/x-protobuf" },
        };
      });
      const results = await this.#submitAndPoll(type, builds, work);
      return () => combineForwardBackwardOutputs(results.map(decodePass));
    });
  }

  /** Named, or for a sampling session of its own. */
  #saveForSampler(
    target: Pick<SaveWeightsForSamplerRequest, "path" | "samplingSessionSeqId" | "ttlSeconds">,
    options: CallOptions,
  ): TinkerFuture<SaveWeightsForSamplerResponse> {
    const build = (seqId: number): HttpCall =>
      jsonCall("/api/v1/save_weights_for_sampler", SaveWeightsForSamplerRequest, {
        modelId: this.modelId,
        seqId,
        ...target,
      });
    return this.#ordered(
      "saveWeightsForSampler",
      "SaveWeightsForSampler",
      build,
      SaveWeightsForSamplerResponse,
      options,
    );
  }

  #ordered<T>(
    operation: OperationKind,
    type: FutureType,
    build: (seqId: number) => HttpCall,
    codec: JsonCodec<T>,
    options: CallOptions,
  ): TinkerFuture<T> {
    return this.#connection.start(operation, this.#lifetime, options, async (work) => {
      const [result] = await this.#submitAndPoll(type, [build], work);
      return () => reading(codec.name, () => codec.decode(result?.body));
    });
  }

  /** Sends the requests in this call's place, then waits for all results at once. */
  async #submitAndPoll(
    type: FutureType,
    builds: readonly ((seqId: number) => HttpCall)[],
    work: OperationWork,
  ): Promise<readonly FutureResult[]> {
    // Not the caller's signal: what has begun is carried through. The service being cut still ends it.
    const send = (call: HttpCall): ReturnType<Connection["send"]> =>
      this.#lifetime.track(this.#connection.send(call, this.#lifetime.signal, work.progress));
    const answers = await this.#order.submit(builds, send, work.signal);
    // If one chunk fails, the others' results have no use any more.
    using siblings = linkSignals(work.signal);
    const polls = answers.map(async (answer) => {
      const { requestId } = decodeAnswer(UntypedAPIFuture, answer);
      return await this.#connection.result(type, requestId, { ...work, signal: siblings.signal });
    });
    try {
      return await Promise.all(polls);
    } catch (error) {
      siblings.abort(error);
      await Promise.allSettled(polls);
      throw error;
    }
  }
}

function decodePass({ format, body }: FutureResult): ForwardBackwardOutput {
  return reading("forward-backward output", () =>
    format === "protobuf" ? decodeForwardBackwardOutput(body) : ForwardBackwardOutput.decode(body),
  );
}
