import { test } from "vitest";
import { ApiStatusError, Datum, ModelInput, RequestFailedError } from "../../src/index.ts";
import { Network } from "../support/local-server.ts";

const baseModel = "scripted/tiny";
const prompt = ModelInput.fromInts([5, 6, 7]);
const datum = Datum.from({
  modelInput: ModelInput.fromInts([1, 2, 3]),
  lossFnInputs: { target_tokens: [2, 3, 4], weights: [1, 1, 1] },
});

test("several completions of a prompt come with log probabilities, and a seed repeats them", async ({ expect }) => {
  const network = new Network();
  await using server = await network.serve("server.test");
  await using service = server.client();
  const sampling = await network.run(service.createSamplingClient({ baseModel }));
  const options = {
    prompt,
    numSamples: 3,
    samplingParams: { maxTokens: 5, seed: 42 },
    includePromptLogprobs: true,
    topkPromptLogprobs: 2,
  };
  const [first, second] = await network.run(Promise.all([sampling.sample(options), sampling.sample(options)]));
  expect(first.sequences).toHaveLength(3);
  for (const { tokens, logprobs } of first.sequences) expect(logprobs).toHaveLength(tokens.length);
  expect(first.promptLogprobs).toHaveLength(3);
  expect(first.promptLogprobs?.[0]).toBeNaN();
  expect(first.topkPromptLogprobs).toMatchObject({ k: 2, promptLength: 3 });
  expect(second.sequences).toEqual(first.sequences);
});

test("a sampler of a model in training keeps the weights that it was made from", async ({ expect }) => {
  const network = new Network();
  await using server = await network.serve("server.test");
  await using service = server.client();
  const training = await network.run(service.createLoraTrainingClient({ baseModel }));
  const before = await network.run(training.saveWeightsAndGetSamplingClient());
  const ask = { prompt, samplingParams: { maxTokens: 8, seed: 1 } };
  const first = await network.run(before.sample(ask));
  const [, , after] = await network.run(
    Promise.all([
      training.forwardBackward([datum], "cross_entropy"),
      training.optimStep(),
      training.saveWeightsAndGetSamplingClient(),
    ]),
  );
  const [old, trained] = await network.run(Promise.all([before.sample(ask), after.sample(ask)]));
  expect(old.sequences).toEqual(first.sequences);
  expect(trained.sequences).not.toEqual(first.sequences);
});

test("a named sampler is opened by its path, from another service too", async ({ expect }) => {
  const network = new Network();
  await using server = await network.serve("server.test");
  await using service = server.client();
  await using other = server.client();
  const training = await network.run(service.createLoraTrainingClient({ baseModel }));
  const { path = "" } = await network.run(training.saveWeightsForSampler("first"));
  const sampling = await network.run(other.createSamplingClient({ modelPath: path }));
  const response = await network.run(sampling.sample({ prompt, samplingParams: { maxTokens: 2 } }));
  expect(response.sequences).toHaveLength(1);
});

test("after a 429 twenty samples go out when the server said so, numbered without gaps, each once", async ({
  expect,
}) => {
  const network = new Network();
  await using server = await network.serve("server.test");
  await using service = server.client();
  const sampling = await network.run(service.createSamplingClient({ baseModel }));
  server.tinker.faults.add({ route: "asample", kind: "status", status: 429, retryAfterSeconds: 8 });
  const refused = sampling.sample({ prompt, samplingParams: { maxTokens: 1 } });
  await network.advance(0);
  const others = Array.from({ length: 20 }, () => sampling.sample({ prompt, samplingParams: { maxTokens: 1 } }));
  await network.advance(7999);
  expect(server.engine.count("sample")).toBe(0);
  await network.run(Promise.all([refused, ...others]));
  expect(server.engine.count("sample")).toBe(21);
});

test("the server's refusals arrive as typed errors that say what was wrong", async ({ expect }) => {
  const network = new Network();
  await using server = await network.serve("server.test");
  await using service = server.client();
  const sampling = await network.run(service.createSamplingClient({ baseModel }));
  const outside = sampling.sample({ prompt: ModelInput.fromInts([1, 99_999]), samplingParams: { maxTokens: 1 } });
  const error = await network.run(outside).catch((failure: unknown) => failure);
  expect(error).toBeInstanceOf(RequestFailedError);
  expect(error).toMatchObject({ category: "user" });
  await expect(network.run(service.createSamplingClient({ baseModel: "no/such-model" }))).rejects.toThrow(
    ApiStatusError,
  );
  await using stranger = server.client({ apiKey: "tml-wrong" });
  await expect(network.run(stranger.createSamplingClient({ baseModel }))).rejects.toMatchObject({ status: 401 });
});

test("a paused server is shown as the reason why a sample waits", async ({ expect }) => {
  const network = new Network();
  await using server = await network.serve("server.test");
  await using service = server.client();
  const sampling = await network.run(service.createSamplingClient({ baseModel }));
  server.tinker.pause("paused_capacity", "short of machines");
  const sample = sampling.sample({ prompt, samplingParams: { maxTokens: 1 } });
  await network.advance(60_000);
  expect([sample.state, sample.pauseReason]).toEqual(["paused", "short of machines"]);
  expect(service.inFlight()).toMatchObject([
    { operation: "sample", state: "paused", pauseReason: "short of machines" },
  ]);
  server.tinker.resume();
  await network.run(sample);
  expect(sample.state).toBe("done");
});

test("a large result is announced first, fetched in full, and complete", async ({ expect }) => {
  const network = new Network();
  await using server = await network.serve("server.test", { limits: { metadataOnlyBytes: 64 } });
  await using service = server.client();
  const sampling = await network.run(service.createSamplingClient({ baseModel }));
  const response = await network.run(sampling.sample({ prompt, numSamples: 4, samplingParams: { maxTokens: 16 } }));
  expect(response.sequences).toHaveLength(4);
});
