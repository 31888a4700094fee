import { test } from "vitest";
import { EngineError, type AdapterState } from "../../src/engine/engine.ts";
import { adam, adapterSpec, crossEntropy, randomExamples, sampleWork, tinyEngine } from "./support/tiny-model.ts";

test("an adapter restored with its optimizer continues bit for bit like the original", async ({ expect }) => {
  await using engine = tinyEngine();
  const step = async (id: string, seed: number) => {
    await engine.forwardBackward(id, crossEntropy(randomExamples(seed, [8, 5])));
    await engine.optimStep(id, { ...adam, weightDecay: 0.01 });
  };
  await engine.createAdapter("a", adapterSpec());
  for (const seed of [1, 2, 3]) await step("a", seed);
  const state = await engine.exportState("a", { optimizer: true });
  expect(state.optimizer?.step).toBe(3);

  await engine.createAdapter("b", adapterSpec({ seed: 99 }));
  await step("b", 7);
  await engine.importState("b", state);
  expect(await engine.exportState("b", { optimizer: true })).toEqual({ ...state, spec: adapterSpec({ seed: 99 }) });
  for (const id of ["a", "b"]) for (const seed of [4, 5]) await step(id, seed);
  const [a, b] = await Promise.all(["a", "b"].map(async (id) => engine.exportState(id, { optimizer: true })));
  expect(b!.tensors).toEqual(a!.tensors);
  expect(b!.optimizer).toEqual(a!.optimizer);
});

test("weights alone restore what is sampled and start the optimizer anew", async ({ expect }) => {
  await using engine = tinyEngine();
  await engine.createAdapter("a", adapterSpec());
  await engine.forwardBackward("a", crossEntropy(randomExamples(1, [9])));
  await engine.optimStep("a", adam);
  const state = await engine.exportState("a", { optimizer: false });
  expect(state).not.toHaveProperty("optimizer");

  await engine.createAdapter("b", adapterSpec({ seed: 5 }));
  // Gradients that were gathered for other weights must not be applied to these.
  await engine.forwardBackward("b", crossEntropy(randomExamples(2, [9])));
  await engine.importState("b", state);
  expect(await engine.optimStep("b", adam)).toEqual({ "grad_norm:mean": 0 });
  await engine.importState("b", state);
  for (const id of ["a", "b"]) await engine.createSnapshot(id, id);
  const samples = await Promise.all(
    ["a", "b"].map(async (snapshot) => engine.sample(sampleWork({ weights: { snapshot }, maxTokens: 12 }))),
  );
  expect(samples[1]).toEqual(samples[0]);
});

test("tensors have PEFT's names and shapes, and a new adapter's B is zero", async ({ expect }) => {
  await using engine = tinyEngine();
  await engine.createAdapter("a", adapterSpec({ rank: 3 }));
  const { tensors } = await engine.exportState("a", { optimizer: false });
  expect(tensors.size).toBe(2 * (2 * 7 + 1));
  const a = tensors.get("base_model.model.model.layers.1.mlp.down_proj.lora_A.weight")!;
  const b = tensors.get("base_model.model.lm_head.lora_B.weight")!;
  expect(a.shape).toEqual([3, 40]);
  expect(b.shape).toEqual([24, 3]);
  expect(b.data.every((value) => value === 0)).toBe(true);
  // Kaiming-uniform as in PEFT: within ±1 / sqrt(in), and reaching towards it.
  const bound = 1 / Math.sqrt(40);
  expect(Math.max(...a.data.map(Math.abs))).toBeLessThanOrEqual(bound);
  expect(Math.max(...a.data.map(Math.abs))).toBeGreaterThan(0.8 * bound);
});

test("the seed decides how an adapter starts", async ({ expect }) => {
  await using engine = tinyEngine();
  const start = async (id: string, seed: number | bigint) => {
    await engine.createAdapter(id, adapterSpec({ seed }));
    return (await engine.exportState(id, { optimizer: false })).tensors;
  };
  const first = await start("a", 1);
  expect(await start("b", 1n)).toEqual(first);
  expect(await start("c", 2)).not.toEqual(first);
  const names = [...first.keys()].filter((name) => name.includes("lora_A"));
  // No two tensors of one adapter are the same numbers.
  expect(new Set(names.map((name) => first.get(name)!.data[0])).size).toBe(names.length);
});

test("a state that is not this adapter's is refused by tensor, and nothing changes", async ({ expect }) => {
  await using engine = tinyEngine();
  await engine.createAdapter("a", adapterSpec());
  await engine.createAdapter("other", adapterSpec({ rank: 8, seed: 2 }));
  await engine.createAdapter("attention", adapterSpec({ trainMlp: false, trainUnembed: false }));
  const before = await engine.exportState("a", { optimizer: true });
  const refused = async (state: AdapterState, message: RegExp) => {
    const failure = await engine.importState("a", state).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(EngineError);
    expect(String(failure)).toMatch(message);
    expect(await engine.exportState("a", { optimizer: true })).toEqual(before);
  };
  await refused(await engine.exportState("other", { optimizer: false }), /q_proj.lora_A.weight" has shape \[8, 32\]/);
  await refused(await engine.exportState("attention", { optimizer: false }), /gate_proj.lora_A.weight" is missing/);
  const extra = new Map(before.tensors).set("x", { shape: [1], data: new Float32Array(1) });
  await refused({ ...before, tensors: extra }, /"x" is not part/);
  const [first] = before.tensors.keys();
  const short = new Map(before.optimizer!.firstMoment).set(first!, new Float32Array(2));
  await refused({ ...before, optimizer: { ...before.optimizer!, firstMoment: short } }, /first moment of .* 2 numbers/);
  await refused({ ...before, optimizer: { ...before.optimizer!, step: -1 } }, /step count/);
});
