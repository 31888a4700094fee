import type { Graph, Value } from "../graph/graph.ts";
import { add, embed, linear, multiply, reshape, rmsNorm, silu, type RotationTables } from "../graph/operations.ts";
import type { DecoderConfig } from "./config.ts";
import { rotationAngles } from "./rotation.ts";
import {
  embeddingName,
  finalNormName,
  layerModules,
  unembeddingModule,
  weightShapes,
  type Weights,
} from "./weights.ts";

/** The two factors that an adapter adds to a linear layer: x Wᵀ + (x Aᵀ) Bᵀ. */
export interface LowRank {
  /** [rank, in] */
  readonly a: Value;
  /** [out, rank], already multiplied by alpha / rank. */
  readonly b: Value;
}

/** What a decoder's graph is made from. */
export interface DecoderParts {
  readonly graph: Graph;
  readonly config: DecoderConfig;
  readonly weights: ReadonlyMap<string, Value>;
  /** By module name, such as `model.layers.0.self_attn.q_proj`; modules that are not trained are absent. */
  readonly adapter: ReadonlyMap<string, LowRank>;
  readonly rotation: RotationTables;
}

/** Names of the two fed tensors of a module's adapter, as PEFT has them behind its `base_model.model.` prefix. */
export function adapterTensorNames(module: string): { readonly a: string; readonly b: string } {
  return { a: `${module}.lora_A.weight`, b: `${module}.lora_B.weight` };
}

/** Queries, keys and values [batch * tokens, heads * headSize] to what attention makes of them, shaped like queries. */
export type Attention = (layer: number, queries: Value, keys: Value, values: Value) => Value;

/**
 * Declares a decoder's weights and the adapter of the given modules.
 *
 * @param baked Weights to bake into the graph, where the runtime repacks them for speed. Without them, weights are
 *   inputs, which several graphs can share: right for models whose copies would not fit in memory.
 */
export function declareDecoder(
  graph: Graph,
  config: DecoderConfig,
  modules: readonly string[],
  baked: Weights | undefined,
): DecoderParts {
  const shapes = weightShapes(config);
  const weights = new Map<string, Value>();
  for (const [name, shape] of shapes) {
    const tensor = baked?.get(name);
    weights.set(
      name,
      tensor === undefined
        ? graph.input(name, "float32", shape)
        : graph.initializer(name, { type: "float32", shape, data: tensor.data }),
    );
  }

  const adapter = new Map<string, LowRank>();
  for (const module of modules) {
    const [outputs, inputs] = moduleShape(config, module);
    const names = adapterTensorNames(module);
    adapter.set(module, {
      a: graph.input(names.a, "float32", ["rank", inputs]),
      b: graph.input(names.b, "float32", [outputs, "rank"]),
    });
  }
  return { graph, config, weights, adapter, rotation: rotationTables(graph, config) };
}

/** [out, in] of a linear layer. The output projection has a shape even when its weight is the embedding table. */
export function moduleShape(config: DecoderConfig, module: string): readonly [outputs: number, inputs: number] {
  const [outputs, inputs] =
    module === unembeddingModule
      ? [config.vocabularySize, config.hiddenSize]
      : (weightShapes(config).get(`${module}.weight`) ?? []);
  if (outputs === undefined || inputs === undefined) throw new RangeError(`"${module}" is not a linear layer`);
  return [outputs, inputs];
}

/** Final hidden states [batch * tokens, hidden] of token ids [batch * tokens]. */
export function hiddenStates(parts: DecoderParts, tokens: Value, attend: Attention): Value {
  const { graph, config } = parts;
  const norm = (x: Value, name: string): Value => rmsNorm(graph, x, weight(parts, name), config.normEpsilon);
  let states = embed(graph, weight(parts, embeddingName), tokens);
  for (let layer = 0; layer < config.layers; layer++) {
    const { inputNorm, attention, mlpNorm, mlp } = layerModules(layer);
    const attended = norm(states, inputNorm);
    const mixed = attend(
      layer,
      headNorm(parts, project(parts, attended, `${attention}.q_proj`), `${attention}.q_norm.weight`),
      headNorm(parts, project(parts, attended, `${attention}.k_proj`), `${attention}.k_norm.weight`),
      project(parts, attended, `${attention}.v_proj`),
    );
    states = add(graph, states, project(parts, mixed, `${attention}.o_proj`));

    const fed = norm(states, mlpNorm);
    const gate = silu(graph, project(parts, fed, `${mlp}.gate_proj`));
    const gated = multiply(graph, gate, project(parts, fed, `${mlp}.up_proj`));
    states = add(graph, states, project(parts, gated, `${mlp}.down_proj`));
  }
  return norm(states, finalNormName);
}

/** Logits [n, vocabulary] of hidden states [n, hidden]. */
export function unembed(parts: DecoderParts, states: Value): Value {
  return project(parts, states, unembeddingModule);
}

function project(parts: DecoderParts, x: Value, module: string): Value {
  const { graph, config, adapter } = parts;
  const tied = module === unembeddingModule && config.tiedEmbeddings;
  const frozen = weight(parts, tied ? embeddingName : `${module}.weight`);
  const lowRank = adapter.get(module);
  if (lowRank === undefined) return linear(graph, x, frozen);
  return linear(graph, x, frozen, linear(graph, linear(graph, x, lowRank.a), lowRank.b));
}

/** Normalises each head of [n, heads * headSize] on its own, in models that do. */
function headNorm(parts: DecoderParts, x: Value, name: string): Value {
  const { graph, config } = parts;
  if (!config.queryKeyNorm) return x;
  const perHead = reshape(graph, x, [`${String(x.shape[0])} by head`, config.headSize]);
  return reshape(graph, rmsNorm(graph, perHead, weight(parts, name), config.normEpsilon), x.shape);
}

function weight(parts: DecoderParts, name: string): Value {
  const value = parts.weights.get(name);
  if (value === undefined) throw new RangeError(`The decoder has no weight "${name}"`);
  return value;
}

function rotationTables(graph: Graph, config: DecoderConfig): RotationTables {
  const { cosine, sine } = rotationAngles(config, config.maxContextLength);
  const shape = [config.maxContextLength, config.headSize / 2];
  const table = (name: string, data: Float32Array): Value => graph.initializer(name, { type: "float32", shape, data });
  return {
    cosine: table("rotation.cosine", cosine),
    sine: table("rotation.sine", sine),
  };
}
