import type { AdapterWeights } from "../engine/adapter.ts";
import type { SampleResult } from "../engine/engine.ts";
import type { ModelRuntime } from "../engine/model-runtime.ts";
import { float32Result, int32Tensor, int64Result, int64Tensor } from "../engine/runtime.ts";
import { scoringNames } from "../model/scoring-graph.ts";
import { trainingNames } from "../model/training-graph.ts";

/** Log probability that stands in a cell without a value, as on Tinker. */
const noLogprob = -99_999;

/**
 * Log probability of each prompt token given those before it, and the `k` likeliest tokens in its place. The first
 * position has neither.
 */
export async function scorePrompt(
  model: ModelRuntime,
  weights: AdapterWeights,
  prompt: Int32Array,
  k: number,
): Promise<Required<Pick<SampleResult, "promptLogprobs" | "topkPromptLogprobs">>> {
  const session = await model.session("scoring", weights.modules);
  // The graph cannot return more tokens than there are, nor fewer than one.
  const returned = Math.min(Math.max(k, 1), model.config.vocabularySize);
  const targets = new Int32Array(prompt.length);
  targets.set(prompt.subarray(1));
  const results = await session.run({
    ...model.weightFeeds("scoring"),
    ...weights.feeds,
    [trainingNames.tokens]: int32Tensor(prompt, [1, prompt.length]),
    [trainingNames.targets]: int32Tensor(targets, [prompt.length]),
    [scoringNames.k]: int64Tensor(BigInt64Array.of(BigInt(returned)), [1]),
  });

  const promptLogprobs = new Float32Array(prompt.length).fill(NaN);
  promptLogprobs.set(float32Result(results, scoringNames.logprobs).subarray(0, -1), 1);

  const tokenIds = new Int32Array(prompt.length * k);
  const logprobs = new Float32Array(prompt.length * k).fill(noLogprob);
  const topLogprobs = float32Result(results, scoringNames.topLogprobs);
  const topTokens = int64Result(results, scoringNames.topTokens);
  for (let position = 1; position < prompt.length; position++) {
    for (let rank = 0; rank < Math.min(k, returned); rank++) {
      // Row p - 1 of the graph predicts the token at p.
      const cell = (position - 1) * returned + rank;
      tokenIds[position * k + rank] = Number(topTokens[cell] ?? 0n);
      logprobs[position * k + rank] = topLogprobs[cell] ?? noLogprob;
    }
  }
  return { promptLogprobs, topkPromptLogprobs: { k, tokenIds, logprobs } };
}
