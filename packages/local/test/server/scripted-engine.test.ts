import { defaultAdamParams } from "@tinkex/protocol";
import { describe, test } from "vitest";
import { EngineError, ScriptedEngine, type SampleWork, type TrainingPass } from "../../src/index.ts";

const spec = { baseModel: "scripted/tiny", rank: 4, seed: 1, trainAttn: true, trainMlp: true, trainUnembed: true };

const pass = (backward: boolean, ...tokens: readonly number[]): TrainingPass => ({
  examples: [
    {
      tokens: Int32Array.from(tokens),
      targets: Int32Array.from(tokens),
      weights: new Float32Array(tokens.length).fill(1),
    },
  ],
  loss: "cross_entropy",
  lossConfig: {},
  backward,
});

const work = (snapshot: string, seed = 1): SampleWork => ({
  weights: { snapshot },
  prompt: Int32Array.of(1, 2),
  numSamples: 1,
  maxTokens: 8,
  temperature: 1,
  topK: -1,
  topP: 1,
  seed,
  stop: { tokens: [] },
  promptLogprobs: false,
  topkPromptLogprobs: 0,
});

/** Trains as told and returns what the weights sample then. */
async function trained(plan: readonly (number | "step")[], seed = 1): Promise<readonly number[]> {
  const engine = new ScriptedEngine();
  await engine.createAdapter("a", spec);
  for (const each of plan) {
    if (each === "step") await engine.optimStep("a", defaultAdamParams);
    else await engine.forwardBackward("a", pass(true, each));
  }
  await engine.createSnapshot("s", "a");
  return [...((await engine.sample(work("s", seed))).sequences[0]?.tokens ?? [])];
}

describe("the scripted engine", () => {
  test("gives the same for the same history, and something else for another", async ({ expect }) => {
    const tokens = await trained([1, 2, "step"]);
    expect(await trained([1, 2, "step"])).toEqual(tokens);
    for (const other of [
      [2, 1, "step"],
      [1, "step"],
      [1, 2, "step", "step"],
      [1, "step", 2],
    ] as const) {
      expect(await trained(other)).not.toEqual(tokens);
    }
    expect(await trained([1, 2, "step"], 2)).not.toEqual(tokens);
    expect(await trained([1, 2])).toEqual(await trained([]));
  });

  test("records what took effect, in order, and leaves out what failed", async ({ expect }) => {
    const engine = new ScriptedEngine();
    await engine.createAdapter("a", spec);
    engine.failNext("forwardBackward", new Error("first"));
    engine.failNext("forwardBackward", new Error("second"));
    await expect(engine.forwardBackward("a", pass(true, 1))).rejects.toThrow("first");
    await expect(engine.forwardBackward("a", pass(true, 1))).rejects.toThrow("second");
    await engine.forwardBackward("a", pass(false, 3));
    await engine.optimStep("a", { ...defaultAdamParams, learningRate: 0.5 });
    expect(engine.effects.slice(1)).toEqual([
      { operation: "forwardBackward", target: "a", detail: [3], backward: false },
      { operation: "optimStep", target: "a", detail: [0.5], backward: true },
    ]);
    expect([engine.count("forwardBackward"), engine.count("optimStep", "b")]).toEqual([1, 0]);
  });

  test("holds calls at a gate, before they take effect, until it is opened", async ({ expect }) => {
    const engine = new ScriptedEngine();
    const gate = engine.hold("createAdapter");
    expect(() => engine.hold("createAdapter")).toThrow("already held");
    const calls = [engine.createAdapter("a", spec), engine.createAdapter("b", spec)];
    await gate.arrived;
    expect([gate.waiting, engine.effects]).toEqual([2, []]);
    gate.open();
    await Promise.all(calls);
    await engine.createAdapter("c", spec);
    expect(engine.effects.map(({ target }) => target)).toEqual(["a", "b", "c"]);
  });

  test("refuses names it does not know, as a real one does", async ({ expect }) => {
    const engine = new ScriptedEngine();
    await engine.createAdapter("a", spec);
    await engine.createSnapshot("s", "a");
    const calls = [
      () => engine.createAdapter("a", spec),
      () => engine.createAdapter("b", { ...spec, baseModel: "x" }),
      () => engine.optimStep("b", defaultAdamParams),
      () => engine.dropAdapter("b"),
      () => engine.createSnapshot("s", "a"),
      () => engine.dropSnapshot("t"),
      () => engine.sample(work("t")),
      () => engine.sample({ ...work("s"), maxTokens: 511 }),
      () => engine.importState("a", { spec, tensors: new Map() }),
    ];
    for (const call of calls) await expect(call()).rejects.toBeInstanceOf(EngineError);
  });
});
