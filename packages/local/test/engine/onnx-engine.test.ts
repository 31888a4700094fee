import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { EngineError } from "../../src/engine/engine.ts";
import { OnnxEngine } from "../../src/engine/onnx-engine.ts";
import {
  adam,
  adapterSpec,
  crossEntropy,
  randomExamples,
  sampleWork,
  tinyEngine,
  tinyModel,
} from "./support/tiny-model.ts";

test("the engine on its thread gives the results of one on the caller's, bit for bit", async ({ expect }) => {
  await using threaded = await OnnxEngine.create({ models: [tinyModel()] });
  await using local = tinyEngine();
  expect(threaded.baseModels).toEqual(local.baseModels);
  const examples = randomExamples(1, [9, 4]);
  const results = await Promise.all(
    [threaded, local].map(async (engine) => {
      await engine.createAdapter("a", adapterSpec({ seed: 2n ** 61n }));
      const pass = await engine.forwardBackward("a", crossEntropy(examples));
      const step = await engine.optimStep("a", adam);
      await engine.createSnapshot("s", "a");
      const work = sampleWork({
        weights: { snapshot: "s" },
        numSamples: 2,
        promptLogprobs: true,
        topkPromptLogprobs: 2,
      });
      const sample = await engine.sample(work);
      const state = await engine.exportState("a", { optimizer: true });
      await engine.importState("a", state);
      await engine.dropSnapshot("s");
      await engine.dropAdapter("a");
      return { pass, step, sample, state };
    }),
  );
  expect(results[0]).toEqual(results[1]);
});

test("the caller's event loop turns while a pass runs", async ({ expect }) => {
  await using engine = await OnnxEngine.create({ models: [tinyModel()] });
  await engine.createAdapter("a", adapterSpec());
  let turns = 0;
  const count = setInterval(() => (turns += 1), 0);
  for (let pass = 0; pass < 4; pass++) {
    await engine.forwardBackward("a", crossEntropy(randomExamples(1, Array<number>(48).fill(60))));
  }
  clearInterval(count);
  // On the caller's thread, these passes would leave it a turn or two each, however long they last.
  expect(turns).toBeGreaterThan(16);
});

test("overlapping calls for one adapter take effect in call order", async ({ expect }) => {
  await using engine = await OnnxEngine.create({ models: [tinyModel()] });
  await engine.createAdapter("a", adapterSpec());
  await engine.createAdapter("b", adapterSpec());
  const examples = randomExamples(1, [6, 9]);
  const calls = [
    engine.forwardBackward("a", crossEntropy(examples)),
    engine.optimStep("a", adam),
    engine.forwardBackward("a", crossEntropy(examples)),
    engine.optimStep("a", adam),
  ] as const;
  const state = engine.exportState("a", { optimizer: true });
  await Promise.all(calls);
  for (let step = 0; step < 2; step++) {
    await engine.forwardBackward("b", crossEntropy(examples));
    await engine.optimStep("b", adam);
  }
  expect(await state).toEqual(await engine.exportState("b", { optimizer: true }));
});

test("refusals cross the thread as EngineError, and the engine goes on", async ({ expect }) => {
  await using engine = await OnnxEngine.create({ models: [tinyModel()] });
  const failure = await engine.createAdapter("a", adapterSpec({ rank: -1 })).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(EngineError);
  expect(String(failure)).toMatch(/rank must be a positive integer, not -1/);
  await expect(engine.sample(sampleWork())).resolves.toMatchObject({ sequences: [{ stopReason: "length" }] });
});

test("an abort rejects at once with the signal's reason", async ({ expect }) => {
  await using engine = await OnnxEngine.create({ models: [tinyModel()] });
  const reason = new Error("enough");
  const controller = new AbortController();
  const sample = engine.sample(sampleWork({ maxTokens: 60, numSamples: 60 }), controller.signal);
  controller.abort(reason);
  await expect(sample).rejects.toBe(reason);
  await expect(engine.sample(sampleWork(), controller.signal)).rejects.toBe(reason);
  await expect(engine.sample(sampleWork())).resolves.toBeDefined();
});

test("closing rejects what is pending, can be repeated, and nothing is taken afterwards", async ({ expect }) => {
  const engine = await OnnxEngine.create({ models: [tinyModel()] });
  const pending = engine.sample(sampleWork({ maxTokens: 60, numSamples: 60 }));
  const closed = Promise.all([engine[Symbol.asyncDispose](), engine[Symbol.asyncDispose]()]);
  await expect(pending).rejects.toThrow(/closed/);
  await closed;
  await expect(engine.optimStep("a", adam)).rejects.toThrow(EngineError);
  await engine[Symbol.asyncDispose]();
});

test("a model that cannot be loaded is an EngineError that names the file", async ({ expect }) => {
  const create = OnnxEngine.create({ models: [{ folder: "/nonexistent" }] });
  const failure = await create.catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(EngineError);
  expect(String(failure)).toMatch(/nonexistent.config\.json/);
  await expect(OnnxEngine.create({ models: [], threads: 0 })).rejects.toThrow(/threads/);
});

test("ending the process while the thread computes is no crash", async ({ expect }) => {
  const script = fileURLToPath(new URL("support/exit-during-pass.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=@tinkex/source", script], { stdio: "ignore" });
  // A native crash would end it by a signal, without a code.
  expect(await once(child, "exit")).toEqual([3, null]);
});
