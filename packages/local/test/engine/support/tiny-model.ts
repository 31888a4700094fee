import type { AdapterSpec, SampleWork, TrainingExample, TrainingPass } from "../../../src/engine/engine.ts";
import { NativeCalls } from "../../../src/engine/native-calls.ts";
import { GraphEngine } from "../../../src/engine/graph-engine.ts";
import type { LoadedModel } from "../../../src/model/base-model-files.ts";
import type { DecoderConfig } from "../../../src/model/config.ts";
import { RandomStream } from "../../../src/model/random-stream.ts";
import { randomWeights } from "../../../src/model/random-weights.ts";

export const tinyConfig: DecoderConfig = {
  vocabularySize: 24,
  hiddenSize: 32,
  intermediateSize: 40,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headSize: 16,
  maxContextLength: 64,
  normEpsilon: 1e-6,
  ropeTheta: 10_000,
  tiedEmbeddings: true,
  queryKeyNorm: false,
  endTokens: [],
};

/** Large embeddings, because an adapter can hardly move the logits of an untrained model otherwise. */
export function tinyModel(config: Partial<DecoderConfig> = {}, name = "tiny"): LoadedModel {
  const full = { ...tinyConfig, ...config };
  return { name, config: full, weights: randomWeights(full, 7, { embedding: 1 }), tokenizerFolder: "/nonexistent" };
}

export function tinyEngine(config: Partial<DecoderConfig> = {}): GraphEngine {
  return new GraphEngine([tinyModel(config)], { threads: 1, nativeCalls: new NativeCalls() });
}

export function adapterSpec(overrides: Partial<AdapterSpec> = {}): AdapterSpec {
  return { baseModel: "tiny", rank: 4, seed: 11, trainAttn: true, trainMlp: true, trainUnembed: true, ...overrides };
}

/** A row of random tokens, each to be predicted from those before it. */
export function randomExample(random: RandomStream, length: number): TrainingExample {
  const tokens = Int32Array.from({ length: length + 1 }, () => random.below(tinyConfig.vocabularySize));
  return { tokens: tokens.slice(0, -1), targets: tokens.slice(1), weights: new Float32Array(length).fill(1) };
}

export function randomExamples(seed: number, lengths: readonly number[]): TrainingExample[] {
  const random = new RandomStream(seed);
  return lengths.map((length) => randomExample(random, length));
}

export function crossEntropy(examples: readonly TrainingExample[], backward = true): TrainingPass {
  return { examples, loss: "cross_entropy", lossConfig: {}, backward };
}

export const adam = { learningRate: 0.01, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, gradClipNorm: 0 };

export function sampleWork(overrides: Partial<SampleWork> = {}): SampleWork {
  return {
    weights: { baseModel: "tiny" },
    prompt: Int32Array.of(1, 2, 3),
    numSamples: 1,
    maxTokens: 8,
    temperature: 1,
    topK: -1,
    topP: 1,
    seed: 5,
    stop: { tokens: [] },
    promptLogprobs: false,
    topkPromptLogprobs: 0,
    ...overrides,
  };
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  return Math.max(0, ...Array.from(a, (value, index) => Math.abs(value - b[index]!)));
}
