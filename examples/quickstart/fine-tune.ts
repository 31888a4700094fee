import { Datum, ModelInput } from "tinkex";
import type { SamplingClient, Tokenizer, TrainingClient } from "tinkex";
import type { StepReport } from "./progress-bar.ts";
import type { Example } from "./read-data.ts";

/** Ends a prompt and a completion; sampling stops at it. */
const separator = "\n";

/** A row as the model trains on it: only the completion counts for the loss. */
export interface TrainingRow {
  readonly datum: Datum;
  readonly trainedTokens: number;
}

/** @throws {RangeError} naming the row, if it is longer than the model can take */
export function toTrainingRow(example: Example, tokenizer: Tokenizer, maxTokens: number): TrainingRow {
  const prompt = tokenizer.encode(example.prompt + separator);
  const completion = tokenizer.encode(example.completion + separator);
  const tokens = [...prompt, ...completion];
  if (tokens.length > maxTokens) {
    throw new RangeError(
      `the row that begins ${JSON.stringify(example.prompt.slice(0, 40))} has ${tokens.length} tokens; this model takes ${maxTokens}`,
    );
  }
  // Position i predicts token i + 1, so the first prediction of the completion is made at the prompt's last token.
  const weights = [...prompt.slice(1).map(() => 0), ...completion.map(() => 1)];
  const datum = Datum.from({
    modelInput: ModelInput.fromInts(tokens.slice(0, -1)),
    lossFnInputs: { target_tokens: tokens.slice(1), weights },
  });
  return { datum, trainedTokens: completion.length };
}

export interface FineTuneOptions {
  readonly training: TrainingClient;
  readonly rows: readonly TrainingRow[];
  readonly steps: number;
  readonly batch: number;
  readonly learningRate: number;
  /** Aborting ends the run after the step under way. */
  readonly signal: AbortSignal;
  readonly onStep: (report: StepReport) => void;
}

/** Trains and resolves with the loss of each step that was done. */
export async function fineTune(options: FineTuneOptions): Promise<readonly number[]> {
  const { training, rows, steps, batch, learningRate, signal, onStep } = options;
  const losses: number[] = [];
  const started = performance.now();
  let tokens = 0;

  const submit = (step: number): Promise<() => void> => {
    const picked = Array.from({ length: batch }, (_, index) => rows[(step * batch + index) % rows.length]);
    const present = picked.filter((row) => row !== undefined);
    const trainedTokens = present.reduce((sum, row) => sum + row.trainedTokens, 0);
    const pass = training.forwardBackward(
      present.map(({ datum }) => datum),
      "cross_entropy",
    );
    // Tinker sums gradients over tokens; dividing the rate's unit away keeps steps alike whatever the batch.
    const update = training.optimStep({ learningRate: learningRate * schedule(step / steps), gradClipNorm: 0 });
    return Promise.all([pass, update]).then(([{ metrics }]) => () => {
      const loss = (metrics["loss:sum"] ?? Number.NaN) / trainedTokens;
      losses.push(loss);
      tokens += present.reduce((sum, { datum }) => sum + ModelInput.length(datum.modelInput), 0);
      const tokensPerSecond = tokens / ((performance.now() - started) / 1000);
      onStep({ step: step + 1, steps, loss, tokensPerSecond });
    });
  };

  // One step is always queued behind the one that runs, so that the model never waits for us.
  let ahead = submit(0);
  for (let step = 0; step < steps; step++) {
    const current = ahead;
    if (step + 1 < steps && !signal.aborted) ahead = submit(step + 1);
    (await current)();
    if (signal.aborted) {
      if (ahead !== current) (await ahead)();
      break;
    }
  }
  return losses;
}

/** Warms up over the first twentieth, then falls to a tenth in a straight line. */
function schedule(progress: number): number {
  return Math.min(1, progress / 0.05 + 0.1) * (1 - 0.9 * progress);
}

export interface Answer extends Example {
  readonly said: string;
}

/** What the model says to each prompt, without chance. */
export async function ask(
  sampling: SamplingClient,
  tokenizer: Tokenizer,
  examples: readonly Example[],
  maxTokens: number,
): Promise<readonly Answer[]> {
  const stop = tokenizer.encode(separator);
  return await Promise.all(
    examples.map(async (example) => {
      const prompt = ModelInput.fromInts(tokenizer.encode(example.prompt + separator));
      const { sequences } = await sampling.sample({ prompt, samplingParams: { maxTokens, temperature: 0, stop } });
      const said = tokenizer.decode(sequences[0]?.tokens ?? []).split(separator, 1)[0] ?? "";
      return { ...example, said };
    }),
  );
}

/** The share of answers that are exactly the completion. */
export function accuracy(answers: readonly Answer[]): number {
  return answers.filter(({ said, completion }) => said.trim() === completion.trim()).length / answers.length;
}
