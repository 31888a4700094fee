import { Graph, type Value } from "../graph/graph.ts";
import { gradients } from "../graph/gradients.ts";
import {
  biasedSoftmax,
  causalBias,
  flattened,
  matmul,
  reshape,
  rotate,
  scale,
  targetLogprobs,
  transpose,
} from "../graph/operations.ts";
import type { DecoderConfig } from "./config.ts";
import { declareDecoder, hiddenStates, unembed, type Attention, type DecoderParts } from "./decoder-graph.ts";

/** Names of the fed and fetched tensors of a training graph. n is batch * tokens; rows are padded at their end. */
export const trainingNames = {
  /** int32 [batch, tokens] */
  tokens: "tokens",
  /** int32 [n] */
  targets: "targets",
  /** float32 [n, 1] each: see {@link lossGradient}. */
  linear: "loss.linear",
  quadratic: "loss.quadratic",
  ratio: "loss.ratio",
  reference: "loss.reference",
  floor: "loss.floor",
  ceiling: "loss.ceiling",
  /** float32 [1] */
  outside: "loss.outside",
  /** float32 [n, 1], out */
  logprobs: "logprobs",
  /** float32 [all trained numbers], out: the trained tensors' gradients behind one another */
  gradient: "gradient",
} as const;

export interface TrainingGraphSpec {
  readonly config: DecoderConfig;
  /** Modules that have an adapter. */
  readonly modules: readonly string[];
  /** Which tensors get a gradient: the adapter's, or every weight of the model. */
  readonly trains: "adapter" | "weights";
}

/** Forward and backward in one run: token rows and loss coefficients in, target log probabilities and gradient out. */
export function trainingGraph(spec: TrainingGraphSpec): Uint8Array {
  const graph = new Graph();
  const { parts, logprobs } = forward(graph, spec);
  const seed = lossGradient(graph, logprobs);
  const variables =
    spec.trains === "weights" ? [...parts.weights.values()] : [...parts.adapter.values()].flatMap(({ a, b }) => [a, b]);
  graph.output(trainingNames.gradient, flattened(graph, gradients(graph, logprobs, seed, variables)));
  graph.output(trainingNames.logprobs, logprobs);
  return graph.encode();
}

/** The shared forward part: also how prompts are scored. */
export function forward(
  graph: Graph,
  { config, modules }: Omit<TrainingGraphSpec, "trains">,
): { readonly parts: DecoderParts; readonly logits: Value; readonly logprobs: Value } {
  const grid = graph.input(trainingNames.tokens, "int32", ["batch", "tokens"]);
  const targets = graph.input(trainingNames.targets, "int32", ["n"]);
  const parts = declareDecoder(graph, config, modules, undefined);
  const tokens = reshape(graph, grid, ["n"]);
  const states = hiddenStates(parts, tokens, causalAttention(parts));
  const logits = unembed(parts, states);
  return { parts, logits, logprobs: targetLogprobs(graph, logits, targets) };
}

/**
 * d loss / d logprob of each token, for every loss function at once:
 *
 *     quadratic * (logprob - reference) - linear - ratio * r,   r = clamp(exp(logprob - reference), floor, ceiling)
 *
 * where a clamped r counts `outside` times (0: its gradient ends there, 1: it is held at the bound). The loss
 * functions differ only in these coefficients, so that one graph, and one run of it, serves them all.
 */
function lossGradient(graph: Graph, logprobs: Value): Value {
  const column = (name: string): Value => graph.input(name, "float32", ["n", 1]);
  const outside = graph.input(trainingNames.outside, "float32", [1]);
  const difference = graph.apply("Sub", [logprobs, column(trainingNames.reference)], logprobs);
  const ratio = graph.apply("Exp", [difference], logprobs);
  const raised = graph.apply("Max", [ratio, column(trainingNames.floor)], logprobs);
  const clamped = graph.apply("Min", [raised, column(trainingNames.ceiling)], logprobs);
  const inside = graph.apply("Equal", [clamped, ratio], { type: "bool", shape: logprobs.shape });
  const held = graph.apply("Mul", [clamped, outside], logprobs);
  const counted = graph.apply("Where", [inside, clamped, held], logprobs);
  const pulled = graph.apply("Mul", [difference, column(trainingNames.quadratic)], logprobs);
  const pushed = graph.apply("Mul", [counted, column(trainingNames.ratio)], logprobs);
  const drifted = graph.apply("Sub", [pulled, column(trainingNames.linear)], logprobs);
  return graph.apply("Sub", [drifted, pushed], logprobs);
}

/** Every token attends to itself and what precedes it in its row. Padding stands behind, so nothing attends to it. */
function causalAttention({ graph, config, rotation }: DecoderParts): Attention {
  const { heads, keyValueHeads, headSize } = config;
  const group = heads / keyValueHeads;
  const start = graph.constant({ type: "int64", shape: [1], data: BigInt64Array.of(0n) });
  const bias = causalBias(graph, "tokens");
  const rotated = (x: Value, count: number): Value =>
    rotate(graph, reshape(graph, x, ["batch", "tokens", count * headSize]), count, start, rotation);

  return (_layer, queries, keys, values) => {
    // Queries that share a key head become extra rows of one product, so that keys are never repeated.
    const split = reshape(graph, rotated(queries, heads), ["batch", "tokens", keyValueHeads, group, headSize]);
    const grouped = reshape(graph, transpose(graph, split, [0, 2, 3, 1, 4]), [
      "batch",
      keyValueHeads,
      "grouped tokens",
      headSize,
    ]);
    const heads4 = ["batch", "tokens", keyValueHeads, headSize] as const;
    const keysByHead = transpose(graph, reshape(graph, rotated(keys, keyValueHeads), heads4), [0, 2, 3, 1]);
    const valuesByHead = transpose(graph, reshape(graph, values, heads4), [0, 2, 1, 3]);

    const scores = scale(graph, matmul(graph, grouped, keysByHead), 1 / Math.sqrt(headSize));
    const perQuery = reshape(graph, scores, ["batch", keyValueHeads, group, "tokens", "tokens"]);
    const attention = reshape(graph, biasedSoftmax(graph, perQuery, bias), scores.shape);
    const mixed = reshape(graph, matmul(graph, attention, valuesByHead), [
      "batch",
      keyValueHeads,
      group,
      "tokens",
      headSize,
    ]);
    return reshape(graph, transpose(graph, mixed, [0, 3, 1, 2, 4]), queries.shape);
  };
}
