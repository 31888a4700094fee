import type { DecoderConfig } from "./config.ts";
import { RandomStream } from "./random-stream.ts";
import { elementCount, embeddingName, weightShapes, type Tensor, type Weights } from "./weights.ts";

/** Standard deviations of a fresh model's weights. */
export interface InitialScale {
  /** Default 0.02, common practice. Adapters on an untrained base need about 1, or they cannot move its logits. */
  readonly embedding?: number;
  /** Multiplies 1 / sqrt(inputs), the deviation of linear layers. Default 1. */
  readonly linear?: number;
}

/** Fresh weights: normal embeddings and linear layers, norms of one. The same seed gives the same weights. */
export function randomWeights(config: DecoderConfig, seed: number, scale: InitialScale = {}): Weights {
  const { embedding = 0.02, linear = 1 } = scale;
  const random = new RandomStream(seed);
  const weights = new Map<string, Tensor>();
  for (const [name, shape] of weightShapes(config)) {
    const data = new Float32Array(elementCount(shape));
    const inputs = shape[1];
    if (inputs === undefined) {
      data.fill(1);
    } else {
      const deviation = name === embeddingName ? embedding : linear / Math.sqrt(inputs);
      for (let index = 0; index < data.length; index++) data[index] = deviation * random.normal();
    }
    weights.set(name, { shape, data });
  }
  return weights;
}
