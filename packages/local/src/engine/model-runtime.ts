import type { Tensor } from "onnxruntime-node";
import type { LoadedModel } from "../model/base-model-files.ts";
import type { DecoderConfig } from "../model/config.ts";
import { decodingGraph } from "../model/decoding-graph.ts";
import { scoringGraph } from "../model/scoring-graph.ts";
import { trainingGraph } from "../model/training-graph.ts";
import { parameterCount } from "../model/weights.ts";
import { float32Tensor, openSession, type Feeds, type RuntimeOptions, type Session } from "./runtime.ts";

type GraphKind = "training" | "scoring" | "decoding";

/**
 * Up to this many parameters, decoding gets its own copy of the weights, packed for its kernels: single rows decode up
 * to 1.6 times faster (measured at 4 million). Beyond it, the copy costs more memory and start-up time than it is worth.
 */
const largestBaked = 20_000_000;

/**
 * A base model with its compiled graphs. Which modules have an adapter decides the graph; batch, length and rank do
 * not, so that a handful of sessions, opened on first use, serves everything. All share the weights.
 */
export class ModelRuntime implements AsyncDisposable {
  readonly name: string;
  readonly config: DecoderConfig;
  readonly tokenizerFolder: string;
  readonly #model: LoadedModel;
  readonly #options: RuntimeOptions;
  readonly #weightFeeds: Feeds;
  readonly #sessions = new Map<string, Promise<Session>>();

  constructor(model: LoadedModel, options: RuntimeOptions) {
    this.name = model.name;
    this.config = model.config;
    this.tokenizerFolder = model.tokenizerFolder;
    this.#model = model;
    this.#options = options;
    const feeds: Record<string, Tensor> = {};
    for (const [name, { data, shape }] of model.weights) feeds[name] = float32Tensor(data, shape);
    this.#weightFeeds = feeds;
  }

  /** Base weights that a graph of this kind must be fed. */
  weightFeeds(kind: GraphKind): Feeds {
    return kind === "decoding" && this.#bakes ? {} : this.#weightFeeds;
  }

  async session(kind: GraphKind, modules: readonly string[]): Promise<Session> {
    const key = `${kind}:${modules.join()}`;
    let session = this.#sessions.get(key);
    if (session === undefined) {
      session = openSession(this.#graph(kind, modules), this.#options);
      this.#sessions.set(key, session);
    }
    return session;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const sessions = await Promise.allSettled(this.#sessions.values());
    this.#sessions.clear();
    for (const session of sessions) if (session.status === "fulfilled") await session.value.release();
  }

  get #bakes(): boolean {
    return parameterCount(this.config) <= largestBaked;
  }

  #graph(kind: GraphKind, modules: readonly string[]): Uint8Array {
    const { config } = this;
    switch (kind) {
      case "training":
        return trainingGraph({ config, modules, trains: "adapter" });
      case "scoring":
        return scoringGraph(config, modules);
      case "decoding":
        return decodingGraph({ config, modules, baked: this.#bakes ? this.#model.weights : undefined });
      default:
        return kind satisfies never;
    }
  }
}
