import { test } from "vitest";
import { EngineError, type SampleWork } from "../../src/engine/engine.ts";
import {
  adam,
  adapterSpec,
  crossEntropy,
  largestDifference,
  randomExamples,
  sampleWork,
  tinyConfig,
  tinyEngine,
} from "./support/tiny-model.ts";

/** An engine with an adapter "a" whose weights are far from the start, and its snapshot "s". */
async function trainedEngine(config: Parameters<typeof tinyEngine>[0] = {}) {
  const engine = tinyEngine(config);
  await engine.createAdapter("a", adapterSpec());
  for (let step = 0; step < 5; step++) {
    await engine.forwardBackward("a", crossEntropy(randomExamples(20, [10, 6])));
    await engine.optimStep("a", adam);
  }
  await engine.createSnapshot("s", "a");
  return engine;
}

const snapshot = { weights: { snapshot: "s" } } as const;

test("sampling reports the log probabilities that a training pass gives the same tokens", async ({ expect }) => {
  for (const queryKeyNorm of [false, true]) {
    await using engine = await trainedEngine({ queryKeyNorm });
    // Sequences end at different times, so that others take their place, and some outgrow their first cache.
    const { sequences } = await engine.sample(
      sampleWork({ ...snapshot, numSamples: 12, maxTokens: 55, temperature: 5, stop: { tokens: [0] } }),
    );
    const lengths = sequences.map(({ tokens }) => tokens.length);
    expect(Math.min(...lengths)).toBeLessThan(12);
    expect(Math.max(...lengths)).toBeGreaterThan(40);
    const examples = sequences.map(({ tokens }) => {
      const all = Int32Array.of(1, 2, 3, ...tokens);
      const weights = new Float32Array(all.length - 1).fill(1);
      return { tokens: all.slice(0, -1), targets: all.slice(1), weights };
    });
    const pass = await engine.forwardBackward("a", crossEntropy(examples, false));
    for (const [index, { logprobs }] of sequences.entries()) {
      expect(largestDifference(logprobs, pass.logprobs[index]!.slice(2))).toBeLessThan(1e-4);
    }
  }
});

test("the same seed gives the same tokens, whatever runs beside it", async ({ expect }) => {
  await using engine = await trainedEngine();
  const work = sampleWork({ ...snapshot, numSamples: 3, maxTokens: 12, temperature: 5 });
  const alone = await engine.sample(work);
  const others = [4, 9, 30].map((maxTokens, index) =>
    sampleWork({ ...snapshot, numSamples: 2, maxTokens, seed: index, prompt: Int32Array.of(index, 7) }),
  );
  const [again] = await Promise.all([engine.sample(work), ...others.map(async (other) => engine.sample(other))]);
  const tokens = (result: typeof alone) => result.sequences.map((sequence) => [...sequence.tokens]);
  expect(tokens(again)).toEqual(tokens(alone));

  // Each sequence has its own stream, and a request for more of them starts with the same ones.
  expect(new Set(tokens(alone).map(String)).size).toBe(3);
  const five = await engine.sample({ ...work, numSamples: 5 });
  expect(tokens(five).slice(0, 3)).toEqual(tokens(alone));
  expect(tokens(await engine.sample({ ...work, seed: 6 }))).not.toEqual(tokens(alone));
});

test("without a seed every call draws anew", async ({ expect }) => {
  await using engine = tinyEngine();
  const { seed: _, ...unseeded } = sampleWork({ maxTokens: 16, temperature: 5 });
  const [first, second] = await Promise.all([engine.sample(unseeded), engine.sample(unseeded)]);
  expect(first.sequences[0]?.tokens).not.toEqual(second.sequences[0]?.tokens);
});

test("temperature 0, topK 1 and a tiny topP all take the likeliest token", async ({ expect }) => {
  await using engine = await trainedEngine();
  const tokens = async (overrides: Partial<SampleWork>) =>
    (await engine.sample(sampleWork({ ...snapshot, maxTokens: 10, ...overrides }))).sequences[0]!.tokens;
  const greedy = await tokens({ temperature: 0 });
  expect(await tokens({ temperature: 0, seed: 99 })).toEqual(greedy);
  expect(await tokens({ topK: 1, seed: 99 })).toEqual(greedy);
  expect(await tokens({ topP: 1e-6, seed: 98 })).toEqual(greedy);
});

test("more sequences than fit in one step all arrive", async ({ expect }) => {
  await using engine = tinyEngine();
  const { sequences } = await engine.sample(sampleWork({ numSamples: 150, maxTokens: 3 }));
  expect(sequences).toHaveLength(150);
  expect(sequences.every(({ tokens, logprobs }) => tokens.length === 3 && logprobs.length === 3)).toBe(true);
});

test("a sequence ends with its stop token, with the model's end token, or at its limits", async ({ expect }) => {
  await using engine = await trainedEngine();
  const free = (await engine.sample(sampleWork({ ...snapshot, maxTokens: 20 }))).sequences[0]!;
  expect(free.stopReason).toBe("length");
  const stopToken = free.tokens[4]!;
  const expected = free.tokens.slice(0, free.tokens.indexOf(stopToken) + 1);
  const stopped = await engine.sample(sampleWork({ ...snapshot, maxTokens: 20, stop: { tokens: [23, stopToken] } }));
  expect(stopped.sequences[0]).toMatchObject({ tokens: expected, stopReason: "stop" });

  await using ending = tinyEngine({ endTokens: [...Array(tinyConfig.vocabularySize).keys()] });
  const ended = await ending.sample(sampleWork());
  expect(ended.sequences[0]).toMatchObject({ stopReason: "stop" });
  expect(ended.sequences[0]!.tokens).toHaveLength(1);

  const long = sampleWork({ ...snapshot, prompt: new Int32Array(60).fill(1), maxTokens: 100 });
  const cut = (await engine.sample(long)).sequences[0]!;
  expect(cut).toMatchObject({ stopReason: "length" });
  expect(cut.tokens).toHaveLength(4);
});

test("prompt logprobs and the likeliest prompt tokens are those of a training pass", async ({ expect }) => {
  await using engine = await trainedEngine();
  const prompt = Int32Array.of(5, 1, 8, 20, 3);
  const { promptLogprobs, topkPromptLogprobs } = await engine.sample(
    sampleWork({ ...snapshot, prompt, promptLogprobs: true, topkPromptLogprobs: 3 }),
  );
  expect(promptLogprobs).toHaveLength(5);
  expect(promptLogprobs![0]).toBeNaN();
  for (let position = 1; position < prompt.length; position++) {
    // Every token's log probability in this place, one training row per token.
    const rows = Array.from({ length: tinyConfig.vocabularySize }, (_, token) => ({
      tokens: prompt.slice(0, position),
      targets: Int32Array.of(...prompt.slice(1, position), token),
      weights: new Float32Array(position).fill(1),
    }));
    const pass = await engine.forwardBackward("a", crossEntropy(rows, false));
    const all = pass.logprobs.map((row) => row.at(-1)!);
    expect(promptLogprobs![position]).toBeCloseTo(all[prompt[position]!]!, 4);
    const ranked = [...all.keys()].sort((a, b) => all[b]! - all[a]!).slice(0, 3);
    expect(topkPromptLogprobs!.tokenIds.slice(3 * position, 3 * position + 3)).toEqual(Int32Array.from(ranked));
    expect(
      largestDifference(
        topkPromptLogprobs!.logprobs.slice(3 * position, 3 * position + 3),
        ranked.map((token) => all[token]!),
      ),
    ).toBeLessThan(1e-4);
  }
  expect(topkPromptLogprobs!.tokenIds.slice(0, 3)).toEqual(Int32Array.of(0, 0, 0));
  expect(topkPromptLogprobs!.logprobs.slice(0, 3)).toEqual(Float32Array.of(-99999, -99999, -99999));
});

test("asking for more likely tokens than there are leaves cells without a value", async ({ expect }) => {
  await using engine = tinyEngine();
  const { topkPromptLogprobs, promptLogprobs } = await engine.sample(sampleWork({ topkPromptLogprobs: 30 }));
  expect(promptLogprobs).toBeUndefined();
  expect(topkPromptLogprobs!.tokenIds).toHaveLength(90);
  expect(topkPromptLogprobs!.logprobs.slice(30 + 24, 60)).toEqual(new Float32Array(6).fill(-99999));
});

test("training after a snapshot does not change what it samples", async ({ expect }) => {
  await using engine = await trainedEngine();
  const work = sampleWork({ ...snapshot, maxTokens: 16 });
  const before = await engine.sample(work);
  for (let step = 0; step < 5; step++) {
    await engine.forwardBackward("a", crossEntropy(randomExamples(30, [20])));
    await engine.optimStep("a", { ...adam, learningRate: 0.1 });
  }
  expect(await engine.sample(work)).toEqual(before);
  await engine.createSnapshot("later", "a");
  expect(await engine.sample({ ...work, weights: { snapshot: "later" } })).not.toEqual(before);

  await engine.dropAdapter("a");
  expect(await engine.sample(work)).toEqual(before);
  await engine.dropSnapshot("s");
  await expect(engine.sample(work)).rejects.toThrow(/no snapshot "s"/);
});

test("an aborted request rejects with the signal's reason, the others finish", async ({ expect }) => {
  await using engine = await trainedEngine();
  const reason = new Error("enough");
  const controller = new AbortController();
  const long = engine.sample(sampleWork({ ...snapshot, maxTokens: 60, numSamples: 4 }), controller.signal);
  const other = engine.sample(sampleWork({ ...snapshot, maxTokens: 10 }));
  setImmediate(() => controller.abort(reason));
  await expect(long).rejects.toBe(reason);
  await expect(other).resolves.toMatchObject({ sequences: [{ stopReason: "length" }] });
  await expect(engine.sample(sampleWork(), AbortSignal.abort(reason))).rejects.toBe(reason);
});

test("parameters out of range are refused by name", async ({ expect }) => {
  await using engine = tinyEngine();
  const refused = async (overrides: Partial<SampleWork>, message: RegExp) => {
    const failure = await engine.sample(sampleWork(overrides)).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(EngineError);
    expect(String(failure)).toMatch(message);
  };
  await refused({ prompt: new Int32Array() }, /no tokens/);
  await refused({ prompt: new Int32Array(64) }, /64 tokens, which leaves no room in the context length of 64/);
  await refused({ prompt: Int32Array.of(1, 24) }, /The prompt, position 1: token 24/);
  await refused({ numSamples: 0 }, /numSamples/);
  await refused({ maxTokens: 0 }, /maxTokens/);
  await refused({ temperature: NaN }, /temperature/);
  await refused({ topK: 0 }, /topK/);
  await refused({ topP: 0 }, /topP/);
  await refused({ topkPromptLogprobs: 1.5 }, /topkPromptLogprobs/);
  await refused({ weights: { baseModel: "other" } }, /no base model "other"/);
  await refused({ stop: { strings: ["x"] } }, /Cannot load the tokenizer of .nonexistent/);
});
