import type { AdamParams } from "@tinkex/protocol";
import type { LoadedModel } from "../model/base-model-files.ts";
import { trainingNames } from "../model/training-graph.ts";
import { Generator } from "../sampling/generation.ts";
import { scorePrompt } from "../sampling/prompt-scores.ts";
import { stopAtAny, stopAtStrings, stopAtTokens, type StopCondition } from "../sampling/stop-condition.ts";
import { loadTokenizer } from "../sampling/tokenizer.ts";
import { Adapter, type AdapterWeights } from "./adapter.ts";
import {
  EngineError,
  type AdapterSpec,
  type AdapterState,
  type BaseModel,
  type Engine,
  type PassResult,
  type SampleResult,
  type SampleWork,
  type TrainingPass,
} from "./engine.ts";
import { FairShare } from "./fair-share.ts";
import { lossFunction } from "./losses.ts";
import { ModelRuntime } from "./model-runtime.ts";
import { float32Result, type RuntimeOptions } from "./runtime.ts";
import { checkSampleWork } from "./sample-work.ts";
import { checkExample, groupRows, rowLoss, trainingBatch } from "./training-batch.ts";

interface ServedModel {
  readonly runtime: ModelRuntime;
  readonly decode: () => Promise<(tokens: readonly number[]) => string>;
}

interface TrainedAdapter {
  readonly id: string;
  readonly model: ServedModel;
  readonly adapter: Adapter;
  /** Settles, and never rejects, when the last call for this adapter has ended. */
  last: Promise<unknown>;
}

/** Weights that can be sampled: a snapshot's, or a base model's own. */
interface Sampler {
  readonly lane: string;
  readonly model: ServedModel;
  readonly weights: AdapterWeights;
  readonly generator: Generator;
}

/**
 * The engine itself, on the calling thread, which it blocks while a graph runs. {@link OnnxEngine} puts one of these
 * on a thread of its own.
 */
export class GraphEngine implements Engine {
  readonly baseModels: readonly BaseModel[];
  readonly #models: ReadonlyMap<string, ServedModel>;
  readonly #adapters = new Map<string, TrainedAdapter>();
  readonly #snapshots = new Map<string, Sampler>();
  readonly #bases = new Map<string, Sampler>();
  readonly #share = new FairShare();
  #unseeded = BigInt.asUintN(64, BigInt(Math.floor(Math.random() * 2 ** 53)));

  constructor(models: readonly LoadedModel[], options: RuntimeOptions) {
    this.#models = new Map(models.map((model) => [model.name, serve(new ModelRuntime(model, options))]));
    this.baseModels = models.map(({ name, config, tokenizerFolder }) => ({
      name,
      maxContextLength: config.maxContextLength,
      vocabularySize: config.vocabularySize,
      tokenizerFolder,
    }));
  }

  async createAdapter(id: string, spec: AdapterSpec): Promise<void> {
    if (this.#adapters.has(id)) throw new EngineError(`An adapter "${id}" exists already`);
    const model = this.#model(spec.baseModel);
    this.#adapters.set(id, { id, model, adapter: new Adapter(model.runtime.config, spec), last: Promise.resolve() });
  }

  async dropAdapter(id: string): Promise<void> {
    this.#adapter(id);
    this.#adapters.delete(id);
  }

  async forwardBackward(id: string, pass: TrainingPass): Promise<PassResult> {
    return this.#inOrder(id, async (trained) => this.#pass(trained, pass));
  }

  async #pass({ id, adapter, model }: TrainedAdapter, pass: TrainingPass): Promise<PassResult> {
    const { runtime } = model;
    const { examples, backward } = pass;
    const loss = lossFunction(pass.loss, pass.lossConfig);
    for (const [row, example] of examples.entries()) checkExample(runtime.config, loss, example, row);

    const logprobs: Float32Array[] = [];
    let gradient: Float32Array | undefined;
    const kind = backward ? "training" : "scoring";
    const session = await runtime.session(kind, adapter.modules);
    for (const group of groupRows(runtime.config, examples)) {
      const { feeds, stride } = trainingBatch(examples, group, loss, kind);
      const results = await this.#share.run(`adapter:${id}`, async () =>
        session.run({ ...runtime.weightFeeds(kind), ...adapter.feeds, ...feeds }),
      );
      if (backward) gradient = sum(gradient, float32Result(results, trainingNames.gradient));
      const all = float32Result(results, trainingNames.logprobs);
      for (const [index, row] of group.entries()) {
        const start = index * stride;
        logprobs[row] = all.slice(start, start + (examples[row]?.tokens.length ?? 0));
      }
    }
    // Only now: a pass that fails half way must not leave half of its gradients behind.
    if (gradient !== undefined) adapter.gather(gradient);

    const total = examples.reduce((before, example, row) => before + rowLoss(example, logprobs[row] ?? empty, loss), 0);
    return { logprobs, metrics: { "loss:sum": total } };
  }

  async optimStep(id: string, adam: AdamParams): Promise<Readonly<Record<string, number>>> {
    return this.#inOrder(id, ({ adapter }) => ({ "grad_norm:mean": adapter.step(adam).gradientNorm }));
  }

  async createSnapshot(snapshot: string, adapterId: string): Promise<void> {
    await this.#inOrder(adapterId, ({ adapter, model }) => {
      if (this.#snapshots.has(snapshot)) throw new EngineError(`A snapshot "${snapshot}" exists already`);
      this.#snapshots.set(snapshot, this.#sampler(`snapshot:${snapshot}`, model, adapter.snapshot()));
    });
  }

  async dropSnapshot(snapshot: string): Promise<void> {
    if (!this.#snapshots.delete(snapshot)) throw unknown("snapshot", snapshot, this.#snapshots);
  }

  async exportState(id: string, options: { readonly optimizer: boolean }): Promise<AdapterState> {
    return this.#inOrder(id, ({ adapter }) => adapter.export(options.optimizer));
  }

  async importState(id: string, state: AdapterState): Promise<void> {
    await this.#inOrder(id, ({ adapter }) => adapter.import(state));
  }

  async sample(work: SampleWork, signal?: AbortSignal): Promise<SampleResult> {
    signal?.throwIfAborted();
    const { generator, lane, model, weights } = this.#samplerOf(work.weights);
    checkSampleWork(model.runtime.config, work);
    const stop = await stopCondition(work, model);
    const scores =
      work.promptLogprobs || work.topkPromptLogprobs > 0
        ? await this.#share.run(lane, async () =>
            scorePrompt(model.runtime, weights, work.prompt, work.topkPromptLogprobs),
          )
        : undefined;
    const seed = work.seed ?? this.#unseeded++;
    const sequences = await generator.generate({ work, seed, stop, signal });
    return {
      sequences,
      ...(work.promptLogprobs && scores !== undefined ? { promptLogprobs: scores.promptLogprobs } : {}),
      ...(work.topkPromptLogprobs > 0 && scores !== undefined ? { topkPromptLogprobs: scores.topkPromptLogprobs } : {}),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { runtime } of this.#models.values()) await runtime[Symbol.asyncDispose]();
  }

  #model(name: string): ServedModel {
    const model = this.#models.get(name);
    if (model === undefined) throw unknown("base model", name, this.#models);
    return model;
  }

  #adapter(id: string): TrainedAdapter {
    const adapter = this.#adapters.get(id);
    if (adapter === undefined) throw unknown("adapter", id, this.#adapters);
    return adapter;
  }

  /** Calls for one adapter take effect in the order in which they were made, also when they overlap. */
  async #inOrder<T>(id: string, work: (trained: TrainedAdapter) => T | Promise<T>): Promise<T> {
    const trained = this.#adapter(id);
    const result = trained.last.then(async () => work(trained));
    trained.last = result.catch(() => undefined);
    return result;
  }

  #samplerOf(weights: SampleWork["weights"]): Sampler {
    if ("snapshot" in weights) {
      const sampler = this.#snapshots.get(weights.snapshot);
      if (sampler === undefined) throw unknown("snapshot", weights.snapshot, this.#snapshots);
      return sampler;
    }
    const name = weights.baseModel;
    const model = this.#model(name);
    const sampler = this.#bases.get(name) ?? this.#sampler(`base:${name}`, model, { modules: [], feeds: {} });
    this.#bases.set(name, sampler);
    return sampler;
  }

  #sampler(lane: string, model: ServedModel, weights: AdapterWeights): Sampler {
    return { lane, model, weights, generator: new Generator(model.runtime, weights, this.#share, lane) };
  }
}

const empty = new Float32Array();

/** Adds `more` to `total` in place. */
function sum(total: Float32Array | undefined, more: Float32Array): Float32Array {
  if (total === undefined) return more;
  for (let index = 0; index < total.length; index++) total[index] = (total[index] ?? 0) + (more[index] ?? 0);
  return total;
}

function serve(runtime: ModelRuntime): ServedModel {
  let decode: Promise<(tokens: readonly number[]) => string> | undefined;
  return {
    runtime,
    decode: async () =>
      (decode ??= loadTokenizer(runtime.tokenizerFolder).then(
        (tokenizer) => (tokens) => tokenizer.decode([...tokens], { skip_special_tokens: false }),
      )),
  };
}

/** The model's own end tokens always end a sequence. */
async function stopCondition(work: SampleWork, model: ServedModel): Promise<StopCondition> {
  const { stop } = work;
  const { endTokens } = model.runtime.config;
  if ("tokens" in stop) return stopAtTokens([...stop.tokens, ...endTokens]);
  if (stop.strings.every((text) => text === "")) return stopAtTokens(endTokens);
  return stopAtAny([stopAtTokens(endTokens), stopAtStrings(stop.strings, await model.decode())]);
}

function unknown(kind: string, name: string, known: ReadonlyMap<string, unknown>): EngineError {
  const names = [...known.keys()].slice(0, 8).join(", ");
  return new EngineError(`There is no ${kind} "${name}"${names === "" ? "" : ` (there is: ${names})`}`);
}
