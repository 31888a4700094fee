import { Graph } from "../graph/graph.ts";
import { logSoftmax } from "../graph/operations.ts";
import type { DecoderConfig } from "./config.ts";
import { forward } from "./training-graph.ts";

/** Names of a scoring graph's tensors; it is also fed a training graph's `tokens` and `targets`. */
export const scoringNames = {
  /** int64 [1]: how many of the likeliest tokens to return per position, at least 1. */
  k: "k",
  /** float32 [n, 1], out */
  logprobs: "logprobs",
  /** float32 and int64 [n, k], out: the likeliest tokens, best first. */
  topLogprobs: "top.logprobs",
  topTokens: "top.tokens",
} as const;

/** Forward only: target log probabilities and the likeliest tokens of every position. */
export function scoringGraph(config: DecoderConfig, modules: readonly string[]): Uint8Array {
  const graph = new Graph();
  const k = graph.input(scoringNames.k, "int64", [1]);
  const { logits, logprobs } = forward(graph, { config, modules });
  const shape = ["n", "k"];
  const [values, indices] = graph.applyMany(
    "TopK",
    [logSoftmax(graph, logits), k],
    [
      { type: "float32", shape },
      { type: "int64", shape },
    ],
    { attributes: { axis: -1n } },
  );
  graph.output(scoringNames.logprobs, logprobs);
  graph.output(scoringNames.topLogprobs, values);
  graph.output(scoringNames.topTokens, indices);
  return graph.encode();
}
