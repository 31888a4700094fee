import { LocalTinker } from "@tinkex/local";
import { test } from "vitest";
import { Datum, ModelInput, ServiceClient } from "../../src/index.ts";
import type { SamplingClient, Tokenizer } from "../../src/index.ts";

const baseModel = "tinkex/pebble";
const pairs = [
  ["sky", "green as grass"],
  ["snow", "black as coal"],
  ["fire", "cold as ice"],
] as const;

function toDatum(tokenizer: Tokenizer, prompt: string, completion: string): Datum {
  const head = tokenizer.encode(`${prompt}\n`);
  const tail = tokenizer.encode(`${completion}\n`);
  const tokens = [...head, ...tail];
  return Datum.from({
    modelInput: ModelInput.fromInts(tokens.slice(0, -1)),
    lossFnInputs: { target_tokens: tokens.slice(1), weights: [...head.slice(1).map(() => 0), ...tail.map(() => 1)] },
  });
}

async function say(sampling: SamplingClient, tokenizer: Tokenizer, prompt: string): Promise<string> {
  const { sequences } = await sampling.sample({
    prompt: ModelInput.fromInts(tokenizer.encode(`${prompt}\n`)),
    samplingParams: { maxTokens: 16, temperature: 0, stop: tokenizer.encode("\n") },
  });
  return tokenizer.decode(sequences[0]?.tokens ?? []).trim();
}

test("a model learns, over a real socket and on the real engine: pipelined steps, checkpoint, resumption, samples", async ({
  expect,
}) => {
  await using tinker = await LocalTinker.start();
  await using service = new ServiceClient({ baseUrl: tinker.url, apiKey: tinker.apiKey, env: {} });
  const training = await service.createLoraTrainingClient({ baseModel, rank: 16, seed: 7 });
  const tokenizer = await training.getTokenizer();
  const data = pairs.map(([prompt, completion]) => toDatum(tokenizer, prompt, completion));

  const untrained = await training.saveWeightsAndGetSamplingClient();
  const before = await Promise.all(pairs.map(([prompt]) => say(untrained, tokenizer, prompt)));

  const steps = Array.from({ length: 40 }, () => {
    const pass = training.forwardBackward(data, "cross_entropy");
    return Promise.all([pass, training.optimStep({ learningRate: 4e-3 })]);
  });
  const losses = (await Promise.all(steps)).map(([{ metrics }]) => metrics["loss:sum"] ?? Number.NaN);
  expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 10);

  const trained = await training.saveWeightsAndGetSamplingClient();
  const completions: readonly string[] = pairs.map(([, completion]) => completion);
  expect(await Promise.all(pairs.map(([prompt]) => say(trained, tokenizer, prompt)))).toEqual(completions);
  expect(before).not.toEqual(completions);
  expect(await Promise.all(pairs.map(([prompt]) => say(untrained, tokenizer, prompt)))).toEqual(before);

  const { path } = await training.saveState("learned");
  const resumed = await service.createLoraTrainingClient({ baseModel, rank: 16, seed: 8 });
  await resumed.loadState(path, { optimizer: true });
  const [original, copy] = await Promise.all([
    training.forward(data, "cross_entropy"),
    resumed.forward(data, "cross_entropy"),
  ]);
  expect(copy.metrics["loss:sum"]).toBeCloseTo(original.metrics["loss:sum"] ?? Number.NaN, 5);
});

test("log probabilities agree between training and sampling to 1e-4", async ({ expect }) => {
  await using tinker = await LocalTinker.start();
  await using service = new ServiceClient({ baseUrl: tinker.url, apiKey: tinker.apiKey, env: {} });
  const training = await service.createLoraTrainingClient({ baseModel, rank: 8, seed: 1 });
  const tokenizer = await training.getTokenizer();
  const datum = toDatum(tokenizer, "The cat sat on the mat", "and looked at the moon");
  await Promise.all([training.forwardBackward([datum], "cross_entropy"), training.optimStep({ learningRate: 0.01 })]);

  const tokens = [...ModelInput.toInts(datum.modelInput)];
  const [{ lossFnOutputs }, sampling] = await Promise.all([
    training.forward([datum], "cross_entropy"),
    training.saveWeightsAndGetSamplingClient(),
  ]);
  const trainingLogprobs = lossFnOutputs[0]?.["logprobs"]?.data ?? [];
  const samplingLogprobs = await sampling.computeLogprobs(ModelInput.fromInts(tokens));
  // Training scores the next token at each position; sampling scores the token itself.
  for (let position = 1; position < tokens.length; position++) {
    expect(Math.abs(Number(trainingLogprobs[position - 1]) - Number(samplingLogprobs[position]))).toBeLessThan(1e-4);
  }
});

test("what the engine cannot take is refused by name, and training goes on", async ({ expect }) => {
  await using tinker = await LocalTinker.start();
  await using service = new ServiceClient({ baseUrl: tinker.url, apiKey: tinker.apiKey, env: {} });
  const training = await service.createLoraTrainingClient({ baseModel, rank: 8 });
  const inputs = { target_tokens: [2, 3], weights: [1, 1] };
  const outside = Datum.from({ modelInput: ModelInput.fromInts([1, 9_999_999]), lossFnInputs: inputs });
  const good = Datum.from({ modelInput: ModelInput.fromInts([1, 2]), lossFnInputs: inputs });
  const long = Datum.from({
    modelInput: ModelInput.fromInts(Array.from({ length: 5000 }, () => 1)),
    lossFnInputs: {
      target_tokens: Array.from({ length: 5000 }, () => 1),
      weights: Array.from({ length: 5000 }, () => 1),
    },
  });
  const refused = [
    training.forwardBackward([outside], "cross_entropy"),
    training.forwardBackward([long], "cross_entropy"),
  ];
  const step = training.forwardBackward([good], "cross_entropy");
  await expect(refused[0]).rejects.toMatchObject({ category: "user", message: expect.stringContaining("9999999") });
  await expect(refused[1]).rejects.toMatchObject({ category: "user" });
  await expect(step).resolves.toMatchObject({ metrics: { "loss:sum": expect.any(Number) } });
});
