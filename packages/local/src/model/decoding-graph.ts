import { Graph, type Value } from "../graph/graph.ts";
import { logSoftmax, reshape } from "../graph/operations.ts";
import type { DecoderConfig } from "./config.ts";
import { declareDecoder, hiddenStates, unembed, type DecoderParts } from "./decoder-graph.ts";
import type { Weights } from "./weights.ts";

/** Names of the fed and fetched tensors of a decoding graph. */
export const decodingNames = {
  /** int32 [batch, tokens]: the tokens that are not in the cache yet. */
  tokens: "tokens",
  /** int32 [batch]: index of each row's last token in its sequence, which is its length minus one. */
  last: "last",
  /** int32 [1]: the longest row's length. */
  longest: "longest",
  /** float32 [batch, vocabulary], out: log probabilities of the next token. */
  logprobs: "logprobs",
} as const;

/** Names of one layer's cache tensors, float32 [batch, keyValueHeads, capacity, headSize], fed and fetched in place. */
export function cacheNames(layer: number): {
  readonly keys: string;
  readonly values: string;
  readonly newKeys: string;
  readonly newValues: string;
} {
  return {
    keys: `cache.${layer}.keys`,
    values: `cache.${layer}.values`,
    newKeys: `cache.${layer}.keys.out`,
    newValues: `cache.${layer}.values.out`,
  };
}

export interface DecodingGraphSpec {
  readonly config: DecoderConfig;
  /** Modules that have an adapter. */
  readonly modules: readonly string[];
  /** Weights to bake into the graph; see {@link declareDecoder}. */
  readonly baked: Weights | undefined;
}

/**
 * One step of generation: extends each row by its new tokens and returns the distribution of the next one. Rows have
 * lengths of their own. The keys and values of the new tokens are written into the cache that was fed, when the same
 * memory is given for the fetched cache.
 */
export function decodingGraph({ config, modules, baked }: DecodingGraphSpec): Uint8Array {
  const graph = new Graph();
  const grid = graph.input(decodingNames.tokens, "int32", ["batch", "tokens"]);
  const last = graph.input(decodingNames.last, "int32", ["batch"]);
  const longest = graph.input(decodingNames.longest, "int32", [1]);
  const parts = declareDecoder(graph, config, modules, baked);
  const states = hiddenStates(parts, reshape(graph, grid, ["n"]), cachedAttention(parts, last, longest));

  const { hiddenSize } = config;
  const perRow = reshape(graph, states, ["batch", "tokens", hiddenSize]);
  const final = graph.apply(
    "Gather",
    [perRow, graph.constant({ type: "int64", shape: [], data: BigInt64Array.of(-1n) })],
    { type: "float32", shape: ["batch", hiddenSize] },
    { attributes: { axis: 1n } },
  );
  graph.output(decodingNames.logprobs, logSoftmax(graph, unembed(parts, final)));
  return graph.encode();
}

function cachedAttention({ graph, config, rotation }: DecoderParts, last: Value, longest: Value) {
  const { heads, keyValueHeads, headSize } = config;
  const cacheShape = ["batch", keyValueHeads, "capacity", headSize];
  return (layer: number, queries: Value, keys: Value, values: Value): Value => {
    const names = cacheNames(layer);
    const perRow = (x: Value, count: number): Value => reshape(graph, x, ["batch", "tokens", count * headSize]);
    const [mixed, newKeys, newValues] = graph.applyMany(
      "GroupQueryAttention",
      [
        perRow(queries, heads),
        perRow(keys, keyValueHeads),
        perRow(values, keyValueHeads),
        graph.input(names.keys, "float32", cacheShape),
        graph.input(names.values, "float32", cacheShape),
        last,
        longest,
        rotation.cosine,
        rotation.sine,
      ],
      [
        { type: "float32", shape: ["batch", "tokens", heads * headSize] },
        { type: "float32", shape: cacheShape },
        { type: "float32", shape: cacheShape },
      ],
      {
        domain: "com.microsoft",
        attributes: { num_heads: BigInt(heads), kv_num_heads: BigInt(keyValueHeads), do_rotary: 1n },
      },
    );
    graph.output(names.newKeys, newKeys);
    graph.output(names.newValues, newValues);
    return reshape(graph, mixed, queries.shape);
  };
}
