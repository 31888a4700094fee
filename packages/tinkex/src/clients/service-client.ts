import {
  CreateModelRequest,
  CreateModelResponse,
  CreateSamplingSessionRequest,
  CreateSamplingSessionResponse,
  GetServerCapabilitiesResponse,
  UntypedAPIFuture,
} from "@tinkex/protocol";
import type { LoraConfig } from "@tinkex/protocol";
import { resolveOptions } from "../client-options.ts";
import type { ServiceClientOptions } from "../client-options.ts";
import { ConfigurationError } from "../errors.ts";
import type { CallOptions } from "../futures/operation.ts";
import type { InFlightOperation } from "../futures/operation-progress.ts";
import { Connection } from "../session/connection.ts";
import { decodeAnswer, jsonCall, reading } from "../transport/json-call.ts";
import { Closable } from "./closable.ts";
import type { TrainingClientParts } from "./training-client.ts";
import { SamplingClient } from "./sampling-client.ts";
import { TrainingClient } from "./training-client.ts";

/** A new LoRA adapter to train. */
export interface LoraTrainingOptions extends Partial<LoraConfig> {
  readonly baseModel: string;
  /** Kept with the training run on the server. */
  readonly userMetadata?: Readonly<Record<string, string>>;
}

/** Weights to sample from: exactly one of the two. */
export type SamplingTarget =
  | { readonly baseModel: string; readonly modelPath?: never }
  | {
      /** A `tinker://…/sampler_weights/…` path. */
      readonly modelPath: string;
      readonly baseModel?: never;
    };

/**
 * The way in. Nothing is sent until the first call needs it; then one session is created, shared by all clients made
 * here, and kept alive until `close`.
 */
export class ServiceClient extends Closable {
  readonly #connection: Connection;

  /** @throws {ConfigurationError} if there is no API key, or an option cannot be right */
  constructor(options: ServiceClientOptions = {}) {
    const connection = new Connection(resolveOptions(options));
    super(connection.lifetime);
    this.#connection = connection;
  }

  /**
   * Creates a model with a fresh LoRA adapter and resolves when it is ready to train. Defaults: rank 32, all three
   * groups of layers trained, a seed that the server draws.
   */
  async createLoraTrainingClient(options: LoraTrainingOptions, call: CallOptions = {}): Promise<TrainingClient> {
    const {
      baseModel,
      userMetadata,
      rank = 32,
      seed,
      trainAttn = true,
      trainMlp = true,
      trainUnembed = true,
    } = options;
    const connection = this.#connection;
    const creation = connection.start<TrainingClientParts>("createModel", connection.lifetime, call, async (work) => {
      if (!trainAttn && !trainMlp && !trainUnembed) {
        throw new ConfigurationError("At least one of trainAttn, trainMlp and trainUnembed must be true");
      }
      const session = await connection.session(work.signal);
      const config = await connection.config(work.signal);
      const request = jsonCall("/api/v1/create_model", CreateModelRequest, {
        sessionId: session.id,
        modelSeqId: session.nextModelSeqId(),
        baseModel,
        loraConfig: { rank, trainUnembed, trainMlp, trainAttn, ...(seed !== undefined && { seed }) },
        ...(userMetadata && { userMetadata }),
      });
      const accepted = decodeAnswer(UntypedAPIFuture, await connection.send(request, work.signal, work.progress));
      const result = await connection.result("CreateModel", accepted.requestId, work);
      return () => {
        const { modelId } = reading("new model", () => CreateModelResponse.decode(result.body));
        return { connection, session, config, modelId };
      };
    });
    return new TrainingClient(await creation);
  }

  /** Opens a sampler on a base model or a saved checkpoint. */
  async createSamplingClient(
    target: SamplingTarget,
    options: Pick<CallOptions, "signal"> = {},
  ): Promise<SamplingClient> {
    const { baseModel, modelPath } = target;
    if ((baseModel === undefined) === (modelPath === undefined)) {
      throw new ConfigurationError("Pass exactly one of baseModel and modelPath");
    }
    if (modelPath !== undefined && !modelPath.startsWith("tinker://")) {
      throw new ConfigurationError(`modelPath must start with tinker://, not ${JSON.stringify(modelPath)}`);
    }
    return await this.#connection.lifetime.run(options.signal, async (signal) => {
      const session = await this.#connection.session(signal);
      const call = jsonCall("/api/v1/create_sampling_session", CreateSamplingSessionRequest, {
        sessionId: session.id,
        samplingSessionSeqId: session.nextSamplerSeqId(),
        ...(baseModel !== undefined && { baseModel }),
        ...(modelPath !== undefined && { modelPath }),
      });
      const answer = await this.#connection.send(call, signal);
      const { samplingSessionId } = decodeAnswer(CreateSamplingSessionResponse, answer);
      return new SamplingClient(this.#connection, samplingSessionId);
    });
  }

  /** The models that the server offers. Needs no session. */
  async getServerCapabilities(options: Pick<CallOptions, "signal"> = {}): Promise<GetServerCapabilitiesResponse> {
    return await this.#connection.lifetime.run(options.signal, async (signal) => {
      const call = { method: "GET", path: "/api/v1/get_server_capabilities" } as const;
      return decodeAnswer(GetServerCapabilitiesResponse, await this.#connection.send(call, signal));
    });
  }

  /** Every call that has not ended, of this service and all clients made from it, oldest first. */
  inFlight(): readonly InFlightOperation[] {
    return this.#connection.inFlight.list();
  }
}
