import type { RandomStream } from "../model/random-stream.ts";

/** How the next token is drawn. */
export interface ChoiceParams {
  /** 0 always takes the likeliest token. */
  readonly temperature: number;
  /** -1 for no limit. */
  readonly topK: number;
  /** 1 for no limit. */
  readonly topP: number;
}

/**
 * Draws a token from the model's log probabilities: divided by the temperature, then cut to the `topK` likeliest, then
 * to the fewest of those that hold `topP` of what is left. Ties go to the lower token id.
 */
export function chooseToken(logprobs: Float32Array, params: ChoiceParams, random: RandomStream): number {
  const best = likeliest(logprobs);
  if (params.temperature === 0) return best;

  // Relative to the likeliest token's, so that no temperature makes all weights vanish.
  const top = logprobs[best] ?? 0;
  const weights = new Float64Array(logprobs.length);
  let total = 0;
  for (let token = 0; token < weights.length; token++) {
    const weight = Math.exp(((logprobs[token] ?? -Infinity) - top) / params.temperature);
    weights[token] = weight;
    total += weight;
  }
  const limited = (params.topK > 0 && params.topK < weights.length) || params.topP < 1;
  if (!limited) return draw(weights.keys(), weights, total, random) ?? best;

  const candidates = nucleus(weights, total, params);
  const kept = candidates.reduce((sum, token) => sum + (weights[token] ?? 0), 0);
  return draw(candidates, weights, kept, random) ?? best;
}

/** The likeliest token. */
function likeliest(logprobs: Float32Array): number {
  let best = 0;
  for (let token = 1; token < logprobs.length; token++) {
    if ((logprobs[token] ?? -Infinity) > (logprobs[best] ?? -Infinity)) best = token;
  }
  return best;
}

function draw(
  tokens: Iterable<number>,
  weights: Float64Array,
  total: number,
  random: RandomStream,
): number | undefined {
  let left = random.uniform() * total;
  let last: number | undefined;
  for (const token of tokens) {
    const weight = weights[token] ?? 0;
    if (weight === 0) continue;
    last = token;
    left -= weight;
    if (left < 0) break;
  }
  return last;
}

/** The tokens that `topK` and `topP` leave, likeliest first. */
function nucleus(weights: Float64Array, total: number, { topK, topP }: ChoiceParams): readonly number[] {
  const limit = topK > 0 ? Math.min(topK, weights.length) : weights.length;
  const ranked = ranking(weights, total, limit, topP);
  const among = topP < 1 && limit < weights.length ? massOf(ranked.slice(0, limit), weights) : total;
  const kept: number[] = [];
  let mass = 0;
  for (const token of ranked.slice(0, limit)) {
    kept.push(token);
    mass += weights[token] ?? 0;
    if (mass >= topP * among) break;
  }
  return kept;
}

/**
 * Enough of the likeliest tokens, best first: `limit` of them or those that hold `topP` of everything. Weights fall off
 * so fast that a few rounds of a falling threshold leave a handful to sort, where sorting a whole vocabulary would take
 * longer than the model.
 */
function ranking(weights: Float64Array, total: number, limit: number, topP: number): number[] {
  for (let threshold = 1e-2; threshold > 1e-12; threshold /= 100) {
    const above: number[] = [];
    for (let token = 0; token < weights.length; token++) if ((weights[token] ?? 0) >= threshold) above.push(token);
    if (above.length >= limit || massOf(above, weights) >= topP * total) return sorted(above, weights);
  }
  return sorted([...weights.keys()], weights);
}

function sorted(tokens: number[], weights: Float64Array): number[] {
  return tokens.sort((a, b) => (weights[b] ?? 0) - (weights[a] ?? 0) || a - b);
}

function massOf(tokens: readonly number[], weights: Float64Array): number {
  return tokens.reduce((total, token) => total + (weights[token] ?? 0), 0);
}
