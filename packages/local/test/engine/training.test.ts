import { test } from "vitest";
import { EngineError, type TrainingExample } from "../../src/engine/engine.ts";
import type { GraphEngine } from "../../src/engine/graph-engine.ts";
import {
  adam,
  adapterSpec,
  crossEntropy,
  largestDifference,
  randomExamples,
  sampleWork,
  tinyEngine,
} from "./support/tiny-model.ts";

async function weightsOf(engine: GraphEngine, id: string): Promise<number[]> {
  const { tensors } = await engine.exportState(id, { optimizer: false });
  return [...tensors.values()].flatMap(({ data }) => [...data]);
}

test("an adapter memorises two rows and samples them back", async ({ expect }) => {
  await using engine = tinyEngine();
  await engine.createAdapter("a", adapterSpec({ rank: 8 }));
  const examples = randomExamples(1, [12, 9]);
  // The first token of a row is all that tells the rows apart.
  examples.forEach(({ tokens }, row) => (tokens[0] = row));
  let loss = Infinity;
  for (let step = 0; step < 200; step++) {
    ({
      metrics: { "loss:sum": loss = NaN },
    } = await engine.forwardBackward("a", crossEntropy(examples)));
    await engine.optimStep("a", { ...adam, learningRate: 0.01 });
  }
  expect(loss).toBeLessThan(0.05);

  await engine.createSnapshot("s", "a");
  for (const { tokens, targets } of examples) {
    const { sequences } = await engine.sample(
      sampleWork({ weights: { snapshot: "s" }, prompt: tokens.slice(0, 1), maxTokens: targets.length, temperature: 0 }),
    );
    expect(sequences[0]?.tokens).toEqual(targets);
  }
});

test("a row's result does not depend on the rows beside it, nor on padding", async ({ expect }) => {
  await using engine = tinyEngine();
  await engine.createAdapter("a", adapterSpec());
  const examples = randomExamples(2, [3, 17, 1, 8, 17]);
  await engine.forwardBackward("a", crossEntropy(examples));
  await engine.optimStep("a", adam);

  const together = await engine.forwardBackward("a", crossEntropy(examples, false));
  for (const [row, example] of examples.entries()) {
    const alone = await engine.forwardBackward("a", crossEntropy([example], false));
    expect(largestDifference(together.logprobs[row]!, alone.logprobs[0]!)).toBeLessThan(2e-5);
  }
});

test("gradients are summed over rows and passes, not averaged", async ({ expect }) => {
  await using engine = tinyEngine();
  const examples = randomExamples(3, [6, 11, 4]);
  // With such an eps, the step is proportional to the gradient.
  const proportional = { ...adam, learningRate: 1e4, eps: 1e6, beta1: 0, beta2: 0 };
  const stepAfter = async (id: string, passes: readonly (readonly TrainingExample[])[]) => {
    await engine.createAdapter(id, adapterSpec());
    for (const pass of passes) await engine.forwardBackward(id, crossEntropy(pass));
    await engine.optimStep(id, proportional);
    return weightsOf(engine, id);
  };
  const once = await stepAfter("once", [examples]);
  const apart = await stepAfter(
    "apart",
    examples.map((example) => [example]),
  );
  const doubled = await stepAfter("doubled", [examples, examples]);
  await engine.createAdapter("start", adapterSpec());
  const start = await weightsOf(engine, "start");

  const moved = once.map((value, index) => value - start[index]!);
  expect(largestDifference(once, apart)).toBeLessThan(1e-4 * Math.max(...moved.map(Math.abs)));
  const twice = doubled.map((value, index) => (value - start[index]!) / 2);
  expect(largestDifference(twice, moved)).toBeLessThan(1e-3 * Math.max(...moved.map(Math.abs)));
});

test("a small step lowers the loss by as much as the gradient's norm promises", async ({ expect }) => {
  await using engine = tinyEngine();
  await engine.createAdapter("a", adapterSpec({ rank: 2 }));
  const examples = randomExamples(12, [9, 6]);
  const loss = async (backward: boolean) =>
    (await engine.forwardBackward("a", crossEntropy(examples, backward))).metrics["loss:sum"]!;
  for (let step = 0; step < 3; step++) {
    await loss(true);
    await engine.optimStep("a", adam);
  }
  const before = await loss(true);
  // With such an eps, the weights move by the rate times the gradient.
  const rate = 1e-5;
  const proportional = { ...adam, learningRate: rate * 1e8, eps: 1e8, beta1: 0, beta2: 0 };
  const { "grad_norm:mean": norm = NaN } = await engine.optimStep("a", proportional);
  expect((before - (await loss(false))) / (rate * norm ** 2)).toBeCloseTo(1, 1);
});

test("a forward pass reports the same loss and leaves the gradients as they are", async ({ expect }) => {
  await using engine = tinyEngine();
  await engine.createAdapter("a", adapterSpec());
  const examples = randomExamples(4, [5, 9]);
  const { metrics, logprobs } = await engine.forwardBackward("a", crossEntropy(examples, false));
  const total = -logprobs.flatMap((row) => [...row]).reduce((sum, logprob) => sum + logprob, 0);
  expect(metrics["loss:sum"]).toBeCloseTo(total, 4);
  expect(await engine.optimStep("a", adam)).toEqual({ "grad_norm:mean": 0 });

  const trained = await engine.forwardBackward("a", crossEntropy(examples));
  expect(trained.metrics["loss:sum"]).toBeCloseTo(total, 4);
  expect((await engine.optimStep("a", adam))["grad_norm:mean"]).toBeGreaterThan(0);
});

test("a new adapter changes nothing, and every rank and choice of layers trains", async ({ expect }) => {
  await using engine = tinyEngine();
  const examples = randomExamples(5, [10]);
  const all = { trainAttn: true, trainMlp: true, trainUnembed: true };
  const none = { trainAttn: false, trainMlp: false, trainUnembed: false };
  const specs = [
    adapterSpec({ ...all, rank: 1 }),
    adapterSpec({ ...none, trainAttn: true, rank: 5 }),
    adapterSpec({ ...none, trainMlp: true }),
    adapterSpec({ ...none, trainUnembed: true, rank: 16 }),
  ];
  const before: number[] = [];
  for (const [index, spec] of specs.entries()) {
    await engine.createAdapter(`${index}`, spec);
    const first = await engine.forwardBackward(`${index}`, crossEntropy(examples));
    before.push(first.metrics["loss:sum"]!);
    await engine.optimStep(`${index}`, adam);
    const second = await engine.forwardBackward(`${index}`, crossEntropy(examples));
    expect(second.metrics["loss:sum"]).toBeLessThan(first.metrics["loss:sum"]!);
  }
  for (const loss of before) expect(loss).toBeCloseTo(before[0]!, 4);
  await expect(engine.createAdapter("none", adapterSpec(none))).rejects.toThrow(EngineError);
  await expect(engine.createAdapter("rank", adapterSpec({ rank: 0 }))).rejects.toThrow(/rank/);
});

test("the same seed and calls give bit-equal weights in another engine", async ({ expect }) => {
  const train = async () => {
    await using engine = tinyEngine();
    await engine.createAdapter("a", adapterSpec({ seed: 2n ** 60n + 1n }));
    for (const seed of [1, 2, 3]) {
      await engine.forwardBackward("a", crossEntropy(randomExamples(seed, [9, 14, 2])));
      await engine.optimStep("a", { ...adam, gradClipNorm: 1, weightDecay: 0.1 });
    }
    return weightsOf(engine, "a");
  };
  const [first, second] = await Promise.all([train(), train()]);
  expect(second).toEqual(first);
});

test("NaN in one adapter changes nothing in another, and its step reports it and leaves its weights", async ({
  expect,
}) => {
  await using engine = tinyEngine();
  const examples = randomExamples(6, [8, 5]);
  await engine.createAdapter("sick", adapterSpec());
  await engine.createAdapter("healthy", adapterSpec());
  await engine.createAdapter("alone", adapterSpec());
  const state = await engine.exportState("sick", { optimizer: false });
  state.tensors.values().next().value!.data[0] = NaN;
  await engine.importState("sick", state);

  await Promise.all(["sick", "healthy"].map(async (id) => engine.forwardBackward(id, crossEntropy(examples))));
  const sick = await weightsOf(engine, "sick");
  await expect(engine.optimStep("sick", adam)).rejects.toThrow(/norm is NaN/);
  expect(await weightsOf(engine, "sick")).toEqual(sick);
  await engine.optimStep("healthy", adam);

  await engine.forwardBackward("alone", crossEntropy(examples));
  await engine.optimStep("alone", adam);
  expect(await weightsOf(engine, "healthy")).toEqual(await weightsOf(engine, "alone"));

  // Sampling from it says so instead of returning noise; its neighbour samples as ever.
  for (const id of ["sick", "healthy"]) await engine.createSnapshot(id, id);
  const sample = async (snapshot: string) => engine.sample(sampleWork({ weights: { snapshot } }));
  const [bad, good] = await Promise.allSettled([sample("sick"), sample("healthy")]);
  expect(bad).toMatchObject({ status: "rejected", reason: expect.any(EngineError) as unknown });
  expect(good.status).toBe("fulfilled");
});

test("an infinite ratio makes the step fail clearly, once", async ({ expect }) => {
  await using engine = tinyEngine();
  await engine.createAdapter("a", adapterSpec());
  const [example] = randomExamples(7, [4]) as [TrainingExample];
  const policy = { samplingLogprobs: new Float32Array(4).fill(-1e4), advantages: new Float32Array(4).fill(1) };
  await engine.forwardBackward("a", {
    examples: [{ ...example, ...policy }],
    loss: "importance_sampling",
    lossConfig: {},
    backward: true,
  });
  await expect(engine.optimStep("a", adam)).rejects.toThrow(EngineError);
  // The bad gradient is gone: the next step works.
  await engine.forwardBackward("a", crossEntropy([example]));
  await expect(engine.optimStep("a", adam)).resolves.toBeDefined();
});

test("bad rows are refused with row and position, before anything is computed", async ({ expect }) => {
  await using engine = tinyEngine();
  await engine.createAdapter("a", adapterSpec());
  const [good] = randomExamples(8, [4]) as [TrainingExample];
  const refused = async (
    bad: Partial<TrainingExample>,
    message: RegExp,
    loss: "ppo" | "cross_entropy" = "cross_entropy",
  ) => {
    const pass = { examples: [good, { ...good, ...bad }], loss, lossConfig: {}, backward: true };
    const failure = await engine.forwardBackward("a", pass).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(EngineError);
    expect(String(failure)).toMatch(message);
  };
  await refused({ tokens: Int32Array.of(1, 2, 24, 3) }, /Row 1, position 2: token 24/);
  await refused({ tokens: Int32Array.of(-1, 2, 4, 3) }, /Row 1, position 0: token -1/);
  await refused({ targets: Int32Array.of(1, 2, 3, 99) }, /Row 1, target tokens, position 3: token 99/);
  await refused({ targets: Int32Array.of(1) }, /Row 1: it has 4 tokens and 1 target/);
  await refused({ weights: Float32Array.of(1, NaN, 1, 1) }, /weights at position 1 is NaN/);
  await refused({ weights: new Float32Array(5) }, /4 tokens and 5 weights/);
  await refused({ tokens: new Int32Array(), targets: new Int32Array(), weights: new Float32Array() }, /no tokens/);
  const long = randomExamples(9, [65])[0]!;
  await refused(long, /Row 1: it has 65 tokens, more than the context length of 64/);
  const policy = { samplingLogprobs: new Float32Array(4), advantages: new Float32Array(4) };
  const ppo = { examples: [{ ...good, ...policy }, good], loss: "ppo" as const, lossConfig: {}, backward: true };
  await expect(engine.forwardBackward("a", ppo)).rejects.toThrow(/Row 1: the loss function needs "logprobs"/);
  expect(await engine.optimStep("a", adam)).toEqual({ "grad_norm:mean": 0 });
});

test("an empty pass is a pass without loss", async ({ expect }) => {
  await using engine = tinyEngine();
  await engine.createAdapter("a", adapterSpec());
  expect(await engine.forwardBackward("a", crossEntropy([]))).toEqual({ logprobs: [], metrics: { "loss:sum": 0 } });
});

test("names that do not exist, or exist already, are refused", async ({ expect }) => {
  await using engine = tinyEngine();
  await engine.createAdapter("a", adapterSpec());
  await expect(engine.createAdapter("a", adapterSpec())).rejects.toThrow(/exists already/);
  await expect(engine.createAdapter("b", adapterSpec({ baseModel: "x" }))).rejects.toThrow(/no base model "x".*tiny/);
  await expect(engine.forwardBackward("b", crossEntropy([]))).rejects.toThrow(/no adapter "b".*there is: a/);
  await expect(engine.dropSnapshot("s")).rejects.toThrow(EngineError);
  await engine.dropAdapter("a");
  await expect(engine.optimStep("a", adam)).rejects.toThrow(EngineError);
});
