import { EngineError } from "../engine/engine.ts";
import type { DecoderConfig } from "./config.ts";

/** A weight in float32, row-major. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A decoder's weights under their Hugging Face names. */
export type Weights = ReadonlyMap<string, Tensor>;

/** Linear layers that an adapter can train, by part of the model. */
export const attentionProjections = ["q_proj", "k_proj", "v_proj", "o_proj"] as const;
export const mlpProjections = ["gate_proj", "up_proj", "down_proj"] as const;

export const embeddingName = "model.embed_tokens.weight";
export const finalNormName = "model.norm.weight";
export const unembeddingModule = "lm_head";

/** Name prefixes of one layer's parts. */
export function layerModules(layer: number): {
  readonly inputNorm: string;
  readonly attention: string;
  readonly mlpNorm: string;
  readonly mlp: string;
} {
  const prefix = `model.layers.${layer}`;
  return {
    inputNorm: `${prefix}.input_layernorm.weight`,
    attention: `${prefix}.self_attn`,
    mlpNorm: `${prefix}.post_attention_layernorm.weight`,
    mlp: `${prefix}.mlp`,
  };
}

/** Name and shape of every weight of a decoder, in the order of computation. Linear layers are [out, in]. */
export function weightShapes(config: DecoderConfig): ReadonlyMap<string, readonly number[]> {
  const { hiddenSize, intermediateSize, headSize } = config;
  const queries = config.heads * headSize;
  const keys = config.keyValueHeads * headSize;
  const shapes = new Map<string, readonly number[]>([[embeddingName, [config.vocabularySize, hiddenSize]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    const { inputNorm, attention, mlpNorm, mlp } = layerModules(layer);
    shapes.set(inputNorm, [hiddenSize]);
    shapes.set(`${attention}.q_proj.weight`, [queries, hiddenSize]);
    shapes.set(`${attention}.k_proj.weight`, [keys, hiddenSize]);
    shapes.set(`${attention}.v_proj.weight`, [keys, hiddenSize]);
    shapes.set(`${attention}.o_proj.weight`, [hiddenSize, queries]);
    if (config.queryKeyNorm) {
      shapes.set(`${attention}.q_norm.weight`, [headSize]);
      shapes.set(`${attention}.k_norm.weight`, [headSize]);
    }
    shapes.set(mlpNorm, [hiddenSize]);
    shapes.set(`${mlp}.gate_proj.weight`, [intermediateSize, hiddenSize]);
    shapes.set(`${mlp}.up_proj.weight`, [intermediateSize, hiddenSize]);
    shapes.set(`${mlp}.down_proj.weight`, [hiddenSize, intermediateSize]);
  }
  shapes.set(finalNormName, [hiddenSize]);
  if (!config.tiedEmbeddings) shapes.set(`${unembeddingModule}.weight`, [config.vocabularySize, hiddenSize]);
  return shapes;
}

/** Numbers in all weights together. */
export function parameterCount(config: DecoderConfig): number {
  return [...weightShapes(config).values()].reduce((total, shape) => total + elementCount(shape), 0);
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/**
 * Checks that every weight the decoder needs is there with its shape. Others are ignored: checkpoints with tied
 * embeddings often repeat the table as `lm_head.weight`.
 *
 * @throws EngineError naming the first weight that is missing or has another shape.
 */
export function checkWeights(config: DecoderConfig, weights: Weights, source: string): void {
  for (const [name, shape] of weightShapes(config)) {
    const tensor = weights.get(name);
    if (tensor === undefined) throw new EngineError(`${source}: weight "${name}" is missing`);
    if (tensor.shape.join() !== shape.join()) {
      throw new EngineError(
        `${source}: weight "${name}" has shape [${tensor.shape.join(", ")}], the configuration asks for [${shape.join(", ")}]`,
      );
    }
  }
}
