import { benchTokens as tokens, createBenchEngine } from "./bench-model.ts";
import { measure, timed } from "./measure.ts";

export const name = "engine";

const adam = { learningRate: 1e-3, beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0, gradClipNorm: 1 };

/** Training steps and samples directly on the engine's thread, without HTTP. Prints milliseconds. */
export async function run(): Promise<void> {
  const started = performance.now();
  await using engine = await createBenchEngine();
  const spec = { baseModel: "bench", rank: 8, seed: 1, trainAttn: true, trainMlp: true, trainUnembed: false };
  await engine.createAdapter("a", spec);
  const step = async (rows: number, length: number): Promise<void> => {
    const examples = Array.from({ length: rows }, (_, row) => ({
      tokens: tokens(length, row),
      targets: tokens(length, row + 1),
      weights: new Float32Array(length).fill(1 / (rows * length)),
    }));
    const pass = { examples, loss: "cross_entropy" as const, lossConfig: {}, backward: true };
    await Promise.all([engine.forwardBackward("a", pass), engine.optimStep("a", adam)]);
  };
  const sample = async (numSamples: number): Promise<void> => {
    await engine.sample({
      weights: { snapshot: "s" },
      prompt: tokens(16, 3),
      numSamples,
      maxTokens: 16,
      temperature: 1,
      topK: -1,
      topP: 1,
      seed: 1,
      stop: { tokens: [] },
      promptLogprobs: false,
      topkPromptLogprobs: 0,
    });
  };

  const rows: Record<string, Readonly<Record<string, string>>> = {};
  await step(4, 64);
  rows["start to first training step"] = once(performance.now() - started);
  rows["step 4 x 64 tokens, rank 8"] = await measure(200, async () => step(4, 64));
  rows["first step of another length (4 x 77)"] = once(await timed(async () => step(4, 77)));
  await engine.createSnapshot("s", "a");
  rows["first sample of a snapshot"] = once(await timed(async () => sample(1)));
  rows["sample 16 tokens"] = await measure(200, async () => sample(1));
  rows["sample 16 tokens, 16 sequences"] = await measure(50, async () => sample(16));
  console.table(rows);
}

function once(milliseconds: number): Record<string, string> {
  return { p50: milliseconds.toFixed(2) };
}
