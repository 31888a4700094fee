import { OnnxEngine } from "../packages/local/src/engine/onnx-engine.ts";
import type { DecoderConfig } from "../packages/local/src/model/config.ts";
import { randomWeights } from "../packages/local/src/model/random-weights.ts";

/** About 110 thousand parameters: the shape that the targets of the local Tinker are stated for. */
export const benchConfig: DecoderConfig = {
  vocabularySize: 264,
  hiddenSize: 64,
  intermediateSize: 176,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headSize: 16,
  maxContextLength: 256,
  normEpsilon: 1e-6,
  ropeTheta: 10_000,
  tiedEmbeddings: true,
  queryKeyNorm: false,
  endTokens: [],
};

/** An engine that serves that shape, with random weights, as `bench`. */
export async function createBenchEngine(): Promise<OnnxEngine> {
  const weights = randomWeights(benchConfig, 1, { embedding: 1 });
  return await OnnxEngine.create({ models: [{ name: "bench", config: benchConfig, weights, tokenizerFolder: "" }] });
}

/** Token ids that differ by `salt`. */
export function benchTokens(length: number, salt: number): Int32Array {
  return Int32Array.from({ length }, (_, index) => (index * 31 + salt * 17) % benchConfig.vocabularySize);
}
