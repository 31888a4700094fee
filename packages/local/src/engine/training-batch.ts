import { trainingNames } from "../model/training-graph.ts";
import type { DecoderConfig } from "../model/config.ts";
import { EngineError, type TrainingExample } from "./engine.ts";
import type { LossFunction } from "./losses.ts";
import { scoringNames } from "../model/scoring-graph.ts";
import { float32Tensor, int32Tensor, int64Tensor, type Feeds } from "./runtime.ts";

/** Numbers that one run may hold per kind of activation; keeps long passes within memory and lets samples in between. */
const activationBudget = 48_000_000;

/**
 * Checks one row of a pass.
 *
 * @throws EngineError naming the row, and the position where there is one.
 */
export function checkExample(
  config: DecoderConfig,
  { needsPolicy }: LossFunction,
  example: TrainingExample,
  row: number,
): void {
  const { tokens, targets, weights, samplingLogprobs, advantages } = example;
  const { length } = tokens;
  const fail = (what: string): never => {
    throw new EngineError(`Row ${row}: ${what}`);
  };
  if (length === 0) fail("it has no tokens");
  if (length > config.maxContextLength) {
    fail(`it has ${length} tokens, more than the context length of ${config.maxContextLength}`);
  }
  checkTokens(config, tokens, `Row ${row}`);
  if (targets.length !== length) fail(`it has ${length} tokens and ${targets.length} target tokens`);
  checkTokens(config, targets, `Row ${row}, target tokens`);

  const perToken = { weights, logprobs: samplingLogprobs, advantages };
  for (const [name, values] of Object.entries(perToken)) {
    if (values === undefined) {
      if (needsPolicy) fail(`the loss function needs "${name}"`);
      continue;
    }
    if (values.length !== length) fail(`it has ${length} tokens and ${values.length} ${name}`);
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) fail(`${name} at position ${bad} is ${values[bad]}, not a finite number`);
  }
}

/** @throws EngineError naming the first position whose token is not in the vocabulary. */
export function checkTokens(config: DecoderConfig, tokens: Int32Array, where: string): void {
  const bad = tokens.findIndex((token) => !(token >= 0 && token < config.vocabularySize));
  if (bad >= 0) {
    throw new EngineError(
      `${where}, position ${bad}: token ${tokens[bad]} is not in the vocabulary (0 to ${config.vocabularySize - 1})`,
    );
  }
}

/** Rows that run together, as indices into the pass. */
export type RowGroup = readonly number[];

/**
 * Splits a pass into runs of rows of similar length, so that little is computed on padding and no run grows out of
 * memory. A row that alone exceeds the budget still runs, alone.
 */
export function groupRows(config: DecoderConfig, examples: readonly TrainingExample[]): readonly RowGroup[] {
  const width = Math.max(config.vocabularySize, config.intermediateSize, config.heads * 64);
  const largest = Math.max(1, Math.floor(activationBudget / width));
  const length = (row: number): number => examples[row]?.tokens.length ?? 0;
  const rows = examples.map((_, row) => row).sort((a, b) => length(b) - length(a) || a - b);

  const groups: number[][] = [];
  let longest = 0;
  for (const row of rows) {
    const group = groups.at(-1);
    // Rows come longest first: the group's first row decides how wide its grid is.
    if (group !== undefined && (group.length + 1) * longest <= largest && 2 * length(row) >= longest) {
      group.push(row);
    } else {
      groups.push([row]);
      longest = length(row);
    }
  }
  return groups;
}

/** A group's rows as the training graph takes them: one grid, padded at the end of each row. */
export interface TrainingBatch {
  readonly feeds: Feeds;
  /** Tokens per grid row. */
  readonly stride: number;
}

/**
 * Padding carries no loss and nothing attends to it.
 *
 * @param kind A scoring graph takes no loss; it returns the log probabilities only.
 */
export function trainingBatch(
  examples: readonly TrainingExample[],
  group: RowGroup,
  loss: LossFunction,
  kind: "training" | "scoring",
): TrainingBatch {
  const rows = group.flatMap((row) => examples[row] ?? []);
  const stride = Math.max(...rows.map(({ tokens }) => tokens.length));
  const size = rows.length * stride;
  const tokens = new Int32Array(size);
  const targets = new Int32Array(size);
  for (const [index, example] of rows.entries()) {
    tokens.set(example.tokens, index * stride);
    targets.set(example.targets, index * stride);
  }
  const grid = {
    [trainingNames.tokens]: int32Tensor(tokens, [rows.length, stride]),
    [trainingNames.targets]: int32Tensor(targets, [size]),
  };
  const extra =
    kind === "training" ? lossFeeds(rows, stride, loss) : { [scoringNames.k]: int64Tensor(BigInt64Array.of(1n), [1]) };
  return { stride, feeds: { ...grid, ...extra } };
}

function lossFeeds(rows: readonly TrainingExample[], stride: number, loss: LossFunction): Feeds {
  const size = rows.length * stride;
  const linear = new Float32Array(size);
  const quadratic = new Float32Array(size);
  const ratio = new Float32Array(size);
  const reference = new Float32Array(size);
  const floor = new Float32Array(size);
  const ceiling = new Float32Array(size).fill(Infinity);
  for (const [index, example] of rows.entries()) {
    for (let position = 0; position < example.tokens.length; position++) {
      const inputs = tokenInputs(example, position);
      const coefficients = loss.gradient(inputs);
      const cell = index * stride + position;
      linear[cell] = coefficients.linear;
      quadratic[cell] = coefficients.quadratic;
      ratio[cell] = coefficients.ratio;
      floor[cell] = coefficients.floor;
      ceiling[cell] = coefficients.ceiling;
      // Where the ratio does not count, an extreme reference must not turn 0 * Infinity into NaN.
      reference[cell] = coefficients.ratio === 0 && coefficients.quadratic === 0 ? 0 : inputs.samplingLogprob;
    }
  }
  const column = (data: Float32Array) => float32Tensor(data, [size, 1]);
  return {
    [trainingNames.linear]: column(linear),
    [trainingNames.quadratic]: column(quadratic),
    [trainingNames.ratio]: column(ratio),
    [trainingNames.reference]: column(reference),
    [trainingNames.floor]: column(floor),
    [trainingNames.ceiling]: column(ceiling),
    [trainingNames.outside]: float32Tensor(Float32Array.of(loss.outside), [1]),
  };
}

/** Sum of a row's token losses. */
export function rowLoss(example: TrainingExample, logprobs: Float32Array, loss: LossFunction): number {
  let total = 0;
  for (const [position, logprob] of logprobs.entries()) {
    const inputs = tokenInputs(example, position);
    // A token without weight costs nothing, even where its ratio is infinite.
    if (inputs.weight !== 0) total += loss.value(logprob, inputs);
  }
  return total;
}

function tokenInputs(example: TrainingExample, position: number) {
  return {
    weight: example.weights[position] ?? 0,
    advantage: example.advantages?.[position] ?? 0,
    samplingLogprob: example.samplingLogprobs?.[position] ?? 0,
  };
}
