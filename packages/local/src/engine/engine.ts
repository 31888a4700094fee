import type { AdamParams, LossFnType, StopReason } from "@tinkex/protocol";

/** A model that adapters are trained on. It is never written to: all adapters and snapshots share its weights. */
export interface BaseModel {
  readonly name: string;
  /** Tokens that prompt and completion may have together. */
  readonly maxContextLength: number;
  /** Token ids are 0 to this, exclusive. */
  readonly vocabularySize: number;
  /** Folder with `tokenizer.json` and `tokenizer_config.json`. */
  readonly tokenizerFolder: string;
}

/** LoRA's alpha, the same for every rank as on Tinker: the adapter's product counts alpha / rank times, as in PEFT. */
export const loraAlpha = 32;

/** What a LoRA adapter trains, and how it starts: A is random from `seed`, B is zero, so a new adapter changes nothing. */
export interface AdapterSpec {
  readonly baseModel: string;
  readonly rank: number;
  readonly seed: number | bigint;
  readonly trainAttn: boolean;
  readonly trainMlp: boolean;
  readonly trainUnembed: boolean;
}

/** One row of a training pass. Every array has one entry per token of the row. */
export interface TrainingExample {
  readonly tokens: Int32Array;
  readonly targets: Int32Array;
  readonly weights: Float32Array;
  /** Log probabilities under the policy that sampled the row; needed by the policy-gradient losses. */
  readonly samplingLogprobs?: Float32Array;
  readonly advantages?: Float32Array;
}

export interface TrainingPass {
  readonly examples: readonly TrainingExample[];
  readonly loss: LossFnType;
  readonly lossConfig: Readonly<Record<string, number>>;
  /** False for a forward-only pass, which leaves the gradients as they are. */
  readonly backward: boolean;
}

export interface PassResult {
  /** Log probability of each target token, one array per example. */
  readonly logprobs: readonly Float32Array[];
  /** Keys are `name:reduction`. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** An adapter's trainable state. Tensor names are PEFT's. */
export interface AdapterState {
  readonly spec: AdapterSpec;
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;
  /** Adam's moments and step count; absent when only weights were exported. */
  readonly optimizer?: {
    readonly step: number;
    readonly firstMoment: ReadonlyMap<string, Float32Array>;
    readonly secondMoment: ReadonlyMap<string, Float32Array>;
  };
}

export interface SampleWork {
  /** A snapshot's id, or a base model's name. */
  readonly weights: { readonly snapshot: string } | { readonly baseModel: string };
  readonly prompt: Int32Array;
  readonly numSamples: number;
  readonly maxTokens: number;
  readonly temperature: number;
  /** -1 for no limit. */
  readonly topK: number;
  readonly topP: number;
  /** Without one, every call draws anew. */
  readonly seed?: number | bigint;
  readonly stop: { readonly tokens: readonly number[] } | { readonly strings: readonly string[] };
  readonly promptLogprobs: boolean;
  /** 0 for none. */
  readonly topkPromptLogprobs: number;
}

export interface SampleResult {
  readonly sequences: readonly {
    readonly tokens: Int32Array;
    readonly logprobs: Float32Array;
    readonly stopReason: StopReason;
  }[];
  /** One entry per prompt token; the first is NaN, because nothing precedes it. */
  readonly promptLogprobs?: Float32Array;
  /** Row-major, prompt length x k; cells without a value hold token 0 and logprob -99999. */
  readonly topkPromptLogprobs?: { readonly k: number; readonly tokenIds: Int32Array; readonly logprobs: Float32Array };
}

/**
 * The arithmetic behind the server. Calls for one adapter must be made one at a time, in order; calls for different
 * adapters, and samples, may overlap. An implementation never blocks the event loop for more than a few milliseconds.
 *
 * Ids are chosen by the caller and unique. A call that names an unknown one rejects with `EngineError`.
 */
export interface Engine extends AsyncDisposable {
  readonly baseModels: readonly BaseModel[];
  createAdapter(id: string, spec: AdapterSpec): Promise<void>;
  dropAdapter(id: string): Promise<void>;
  /** Adds this pass's gradients (summed over tokens and examples, never averaged) to what the adapter has gathered. */
  forwardBackward(id: string, pass: TrainingPass): Promise<PassResult>;
  /** Applies the gathered gradients with Adam(W) and clears them. */
  optimStep(id: string, adam: AdamParams): Promise<Readonly<Record<string, number>>>;
  /** Freezes the adapter's present weights under `snapshot`; later training does not change what it samples. */
  createSnapshot(snapshot: string, adapter: string): Promise<void>;
  dropSnapshot(snapshot: string): Promise<void>;
  exportState(id: string, options: { readonly optimizer: boolean }): Promise<AdapterState>;
  importState(id: string, state: AdapterState): Promise<void>;
  sample(work: SampleWork, signal?: AbortSignal): Promise<SampleResult>;
}

/** Bad input that only the engine can see (a token outside the vocabulary, a prompt over the context length). */
export class EngineError extends Error {
  override readonly name = "EngineError";
}
