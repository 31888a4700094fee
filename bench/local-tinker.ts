import { LocalTinker } from "@tinkex/local";
import { Datum, ModelInput, ServiceClient } from "tinkex";
import type { SamplingClient, TrainingClient } from "tinkex";
import { benchTokens, createBenchEngine } from "./bench-model.ts";
import { measure, percentiles, timed } from "./measure.ts";
import type { Timing } from "./measure.ts";

export const name = "local-tinker";

const data = Array.from({ length: 4 }, (_, row) =>
  Datum.from({
    modelInput: ModelInput.fromInts(benchTokens(64, row)),
    lossFnInputs: { target_tokens: benchTokens(64, row + 1), weights: new Float32Array(64).fill(1 / 256) },
  }),
);

/** What a user waits for: SDK, socket, server and engine together, on the ~115k-parameter shape. Milliseconds. */
export async function run(): Promise<void> {
  const started = performance.now();
  await using tinker = await LocalTinker.start({ engine: await createBenchEngine() });
  await using service = new ServiceClient({ baseUrl: tinker.url, apiKey: tinker.apiKey });
  const training = await service.createLoraTrainingClient({ baseModel: "bench", rank: 8, trainUnembed: false });
  await step(training);
  console.log(`start to first training step: ${(performance.now() - started).toFixed(0)} ms\n`);

  const sampling = await training.saveWeightsAndGetSamplingClient();
  console.table({
    "step: forwardBackward + optimStep, 4 x 64 tokens": await measure(200, () => step(training)),
    "sample 16 tokens": await measure(200, () => sample(sampling, 1)),
    "16 samples of 16 tokens at once": await measure(50, async () => {
      await Promise.all(Array.from({ length: 16 }, (_, seed) => sample(sampling, seed)));
    }),
    "healthz, idle": await measure(200, () => health(tinker)),
    "healthz while the engine trains": await healthWhileTraining(tinker, training),
  });
}

async function step(training: TrainingClient): Promise<void> {
  const pass = training.forwardBackward(data, "cross_entropy");
  await Promise.all([pass, training.optimStep({ learningRate: 1e-3 })]);
}

async function sample(sampling: SamplingClient, seed: number): Promise<void> {
  await sampling.sample({ prompt: ModelInput.fromInts(benchTokens(16, 3)), samplingParams: { maxTokens: 16, seed } });
}

async function health({ url, apiKey }: LocalTinker): Promise<void> {
  const response = await fetch(`${url}/api/v1/healthz`, { headers: { "x-api-key": apiKey } });
  await response.arrayBuffer();
}

async function healthWhileTraining(tinker: LocalTinker, training: TrainingClient): Promise<Timing> {
  const over = new AbortController();
  const load = (async (): Promise<void> => {
    // Eight steps in flight, so that the engine always has the next one at hand.
    while (!over.signal.aborted) await Promise.all(Array.from({ length: 8 }, () => step(training)));
  })();
  const milliseconds: number[] = [];
  for (let probe = 0; probe < 500; probe++) milliseconds.push(await timed(() => health(tinker)));
  over.abort();
  await load;
  return percentiles(milliseconds);
}
