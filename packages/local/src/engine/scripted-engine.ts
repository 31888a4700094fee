import type { AdamParams } from "@tinkex/protocol";
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

/** The engine's methods, as gates, failures and counts name them. */
export type EngineOperation =
  | "createAdapter"
  | "dropAdapter"
  | "forwardBackward"
  | "optimStep"
  | "createSnapshot"
  | "dropSnapshot"
  | "exportState"
  | "importState"
  | "sample";

/** One effect, in the order in which it happened. */
export interface Effect {
  readonly operation: EngineOperation;
  /** The adapter; for `dropSnapshot` and `sample` the snapshot or base model. */
  readonly target: string;
  /** What the effect was made of: of a pass all its tokens, of a sample its prompt, of a step its learning rate. */
  readonly detail: readonly number[];
  /** Of a pass: false when it was forward only. Of other operations always true. */
  readonly backward: boolean;
}

/** Holds back calls of one operation. Calls wait before they have any effect. */
export interface EngineGate {
  /** Resolves when the first call has come to the gate. */
  readonly arrived: Promise<void>;
  /** Calls waiting now. */
  readonly waiting: number;
  /** Lets waiting and all further calls through. */
  open(): void;
}

interface Adapter {
  readonly spec: AdapterSpec;
  /** A hash of everything the weights went through. */
  version: number;
  /** A hash of the gradients gathered since the last step. */
  gradient: number;
  steps: number;
}

const weightsName = "base_model.model.scripted.weights";

/** FNV-1a over 32-bit words. */
function hash(seed: number, ...values: readonly number[]): number {
  let state = (seed ^ 0x811c9dc5) >>> 0;
  for (const value of values) state = Math.imul(state ^ (value | 0), 0x01000193) >>> 0;
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) >>> 0;
  return (state ^ (state >>> 13)) >>> 0;
}

/** A log probability in (-8, 0]. */
const logprob = (...values: readonly number[]): number => -(hash(0, ...values) % 8192) / 1024;

/** A `number` as two words, so that a learning rate of 1e-4 and one of 2e-4 hash apart. */
const words = (value: number): readonly number[] => [...new Int32Array(new Float64Array([value]).buffer)];

/**
 * An engine without arithmetic, for tests of clients and servers: every call ends at once, the same calls give the same
 * answers on every machine, and it uses neither time nor chance. Log probabilities and sampled tokens are hashes of
 * tokens, weights and seed, so they change when training changes the weights and only then. A missing seed counts as 0.
 * Stop strings are ignored; stop tokens work. Only the `weights` and `tokens` of examples are looked at.
 */
export class ScriptedEngine implements Engine {
  readonly baseModels: readonly BaseModel[];
  readonly #adapters = new Map<string, Adapter>();
  readonly #snapshots = new Map<string, { readonly baseModel: string; readonly version: number }>();
  readonly #effects: Effect[] = [];
  readonly #gates = new Map<EngineOperation, { readonly arrive: () => void; readonly queue: (() => void)[] }>();
  readonly #failures = new Map<EngineOperation, Error[]>();
  #disposed = false;

  /** `baseModels` default to one, `scripted/tiny`, with 512 tokens of context and a vocabulary of 320. */
  constructor(options: { readonly baseModels?: readonly BaseModel[] } = {}) {
    this.baseModels = options.baseModels ?? [
      { name: "scripted/tiny", maxContextLength: 512, vocabularySize: 320, tokenizerFolder: "" },
    ];
  }

  /** Everything that took effect, in order. */
  get effects(): readonly Effect[] {
    return this.#effects;
  }

  /** Adapters and snapshots that exist now. */
  get held(): { readonly adapters: readonly string[]; readonly snapshots: readonly string[] } {
    return { adapters: [...this.#adapters.keys()], snapshots: [...this.#snapshots.keys()] };
  }

  /** How often an operation took effect, on one target or on all. */
  count(operation: EngineOperation, target?: string): number {
    return this.#effects.filter(
      (effect) => effect.operation === operation && (target === undefined || effect.target === target),
    ).length;
  }

  /** Holds calls of an operation until the gate is opened. One gate per operation at a time. */
  hold(operation: EngineOperation): EngineGate {
    if (this.#gates.has(operation)) throw new Error(`${operation} is already held; open that gate first`);
    const queue: (() => void)[] = [];
    let arrive = (): void => {};
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    this.#gates.set(operation, { arrive, queue });
    return {
      arrived,
      get waiting() {
        return queue.length;
      },
      open: () => {
        this.#gates.delete(operation);
        for (const proceed of queue.splice(0)) proceed();
      },
    };
  }

  /** Makes the next call of an operation fail, before it has an effect. Repeated, it fails as many calls. */
  failNext(operation: EngineOperation, error: Error = new Error(`scripted failure of ${operation}`)): void {
    this.#failures.set(operation, [...(this.#failures.get(operation) ?? []), error]);
  }

  async createAdapter(id: string, spec: AdapterSpec): Promise<void> {
    await this.#enter("createAdapter");
    this.#baseModel(spec.baseModel);
    if (this.#adapters.has(id)) throw new EngineError(`adapter ${id} exists already`);
    const version = hash(Number(BigInt.asUintN(31, BigInt(spec.seed))), spec.rank);
    this.#adapters.set(id, { spec, version, gradient: 0, steps: 0 });
    this.#record("createAdapter", id, [spec.rank]);
  }

  async dropAdapter(id: string): Promise<void> {
    await this.#enter("dropAdapter");
    this.#adapter(id);
    this.#adapters.delete(id);
    this.#record("dropAdapter", id, []);
  }

  async forwardBackward(id: string, pass: TrainingPass): Promise<PassResult> {
    await this.#enter("forwardBackward");
    const adapter = this.#adapter(id);
    const { vocabularySize } = this.#baseModel(adapter.spec.baseModel);
    for (const { tokens, targets } of pass.examples) {
      checkTokens(tokens, vocabularySize);
      checkTokens(targets, vocabularySize);
    }
    const logprobs = pass.examples.map(({ tokens, targets }) =>
      Float32Array.from(targets, (target, at) => logprob(adapter.version, tokens[at] ?? 0, target, at)),
    );
    let loss = 0;
    for (const [index, { weights }] of pass.examples.entries()) {
      for (const [at, value] of logprobs[index]?.entries() ?? []) loss -= value * (weights[at] ?? 0);
    }
    const detail = pass.examples.flatMap(({ tokens }) => [...tokens]);
    if (pass.backward) adapter.gradient = hash(adapter.gradient, ...detail, ...words(loss));
    this.#record("forwardBackward", id, detail, pass.backward);
    return { logprobs, metrics: { "loss:sum": loss } };
  }

  async optimStep(id: string, adam: AdamParams): Promise<Readonly<Record<string, number>>> {
    await this.#enter("optimStep");
    const adapter = this.#adapter(id);
    adapter.version = hash(adapter.version, adapter.gradient, ...words(adam.learningRate));
    adapter.gradient = 0;
    adapter.steps += 1;
    this.#record("optimStep", id, [adam.learningRate]);
    return { "steps:max": adapter.steps };
  }

  async createSnapshot(snapshot: string, adapter: string): Promise<void> {
    await this.#enter("createSnapshot");
    const { spec, version } = this.#adapter(adapter);
    if (this.#snapshots.has(snapshot)) throw new EngineError(`snapshot ${snapshot} exists already`);
    this.#snapshots.set(snapshot, { baseModel: spec.baseModel, version });
    this.#record("createSnapshot", adapter, []);
  }

  async dropSnapshot(snapshot: string): Promise<void> {
    await this.#enter("dropSnapshot");
    if (!this.#snapshots.delete(snapshot)) throw new EngineError(`unknown snapshot ${snapshot}`);
    this.#record("dropSnapshot", snapshot, []);
  }

  async exportState(id: string, options: { readonly optimizer: boolean }): Promise<AdapterState> {
    await this.#enter("exportState");
    const { spec, version, steps } = this.#adapter(id);
    this.#record("exportState", id, []);
    const empty = (): ReadonlyMap<string, Float32Array> => new Map([[weightsName, new Float32Array(2)]]);
    return {
      spec,
      // Halves of 16 bits are exact in a 32-bit float.
      tensors: new Map([[weightsName, { shape: [1, 2], data: new Float32Array([version >>> 16, version & 0xffff]) }]]),
      ...(options.optimizer && { optimizer: { step: steps, firstMoment: empty(), secondMoment: empty() } }),
    };
  }

  async importState(id: string, state: AdapterState): Promise<void> {
    await this.#enter("importState");
    const adapter = this.#adapter(id);
    const [high, low] = state.tensors.get(weightsName)?.data ?? [];
    if (high === undefined || low === undefined) throw new EngineError(`the state has no tensor ${weightsName}`);
    adapter.version = ((high << 16) | low) >>> 0;
    adapter.gradient = 0;
    adapter.steps = state.optimizer?.step ?? 0;
    this.#record("importState", id, []);
  }

  async sample(work: SampleWork, signal?: AbortSignal): Promise<SampleResult> {
    await this.#enter("sample");
    signal?.throwIfAborted();
    const target = "snapshot" in work.weights ? work.weights.snapshot : work.weights.baseModel;
    const { baseModel, version } =
      "snapshot" in work.weights ? this.#snapshot(target) : { baseModel: target, version: 0 };
    const { vocabularySize, maxContextLength } = this.#baseModel(baseModel);
    checkTokens(work.prompt, vocabularySize);
    if (work.prompt.length + work.maxTokens > maxContextLength) {
      throw new EngineError(
        `${work.prompt.length} prompt tokens and ${work.maxTokens} new ones exceed the context of ${maxContextLength}`,
      );
    }
    const start = hash(version, ...work.prompt, Number(BigInt.asIntN(32, BigInt(work.seed ?? 0))));
    const stops = "tokens" in work.stop ? work.stop.tokens : [];
    const sequences = Array.from({ length: work.numSamples }, (_, index) => {
      const tokens: number[] = [];
      while (tokens.length < work.maxTokens) {
        const token = hash(start, index, tokens.length) % vocabularySize;
        tokens.push(token);
        if (stops.includes(token)) break;
      }
      const last = tokens.at(-1);
      return {
        tokens: Int32Array.from(tokens),
        logprobs: Float32Array.from(tokens, (token, at) => logprob(version, token, at)),
        stopReason: last !== undefined && stops.includes(last) ? ("stop" as const) : ("length" as const),
      };
    });
    this.#record("sample", target, [...work.prompt]);
    return {
      sequences,
      ...(work.promptLogprobs && { promptLogprobs: promptLogprobs(version, work.prompt) }),
      ...(work.topkPromptLogprobs > 0 && {
        topkPromptLogprobs: topk(version, work.prompt, work.topkPromptLogprobs, vocabularySize),
      }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    this.#adapters.clear();
    this.#snapshots.clear();
  }

  async #enter(operation: EngineOperation): Promise<void> {
    const gate = this.#gates.get(operation);
    if (gate !== undefined) {
      await new Promise<void>((resolve) => {
        gate.queue.push(resolve);
        gate.arrive();
      });
    }
    if (this.#disposed) throw new Error("the engine was disposed");
    const failure = this.#failures.get(operation)?.shift();
    if (failure !== undefined) throw failure;
  }

  #record(operation: EngineOperation, target: string, detail: readonly number[], backward = true): void {
    this.#effects.push({ operation, target, detail, backward });
  }

  #baseModel(name: string): BaseModel {
    const found = this.baseModels.find((model) => model.name === name);
    if (found === undefined) throw new EngineError(`unknown base model ${name}`);
    return found;
  }

  #adapter(id: string): Adapter {
    const found = this.#adapters.get(id);
    if (found === undefined) throw new EngineError(`unknown adapter ${id}`);
    return found;
  }

  #snapshot(id: string): { readonly baseModel: string; readonly version: number } {
    const found = this.#snapshots.get(id);
    if (found === undefined) throw new EngineError(`unknown snapshot ${id}`);
    return found;
  }
}

function checkTokens(tokens: Int32Array, vocabularySize: number): void {
  const at = tokens.findIndex((token) => token < 0 || token >= vocabularySize);
  if (at >= 0) throw new EngineError(`token ${tokens[at]} at position ${at} is not in 0 to ${vocabularySize - 1}`);
}

const promptLogprobs = (version: number, prompt: Int32Array): Float32Array =>
  Float32Array.from(prompt, (token, at) =>
    at === 0 ? Number.NaN : logprob(version, prompt[at - 1] ?? 0, token, at - 1),
  );

function topk(
  version: number,
  prompt: Int32Array,
  k: number,
  vocabularySize: number,
): NonNullable<SampleResult["topkPromptLogprobs"]> {
  const tokenIds = new Int32Array(prompt.length * k);
  const logprobs = new Float32Array(prompt.length * k).fill(-99_999);
  for (let at = 1; at < prompt.length; at += 1) {
    for (let rank = 0; rank < k; rank += 1) {
      tokenIds[at * k + rank] = hash(version, at, rank) % vocabularySize;
      logprobs[at * k + rank] = -rank - 0.5;
    }
  }
  return { k, tokenIds, logprobs };
}
