import { Tensor } from "onnxruntime-node";
import { test, type ExpectStatic } from "vitest";
import { NativeCalls } from "../../src/engine/native-calls.ts";
import { lossFunction } from "../../src/engine/losses.ts";
import { float32Result, openSession } from "../../src/engine/runtime.ts";
import { trainingBatch } from "../../src/engine/training-batch.ts";
import { adapterTensorNames, moduleShape } from "../../src/model/decoder-graph.ts";
import { RandomStream } from "../../src/model/random-stream.ts";
import { trainingGraph, trainingNames } from "../../src/model/training-graph.ts";
import { weightShapes } from "../../src/model/weights.ts";
import { trainedModules } from "../../src/engine/adapter.ts";
import { adapterSpec, randomExamples, tinyModel } from "./support/tiny-model.ts";

const rank = 3;

/**
 * Compares the graph's gradient of every trained tensor with central differences along a random direction, on two
 * rows of different length. All adapter factors are random, so that no product is zero by accident.
 */
async function worstError(
  trains: "adapter" | "weights",
  overrides: Parameters<typeof tinyModel>[0],
  expect: ExpectStatic,
): Promise<number> {
  const { config, weights } = tinyModel(overrides);
  const modules = trains === "adapter" ? trainedModules(config, adapterSpec()) : [];
  const session = await openSession(trainingGraph({ config, modules, trains }), {
    threads: 1,
    nativeCalls: new NativeCalls(),
  });
  const random = new RandomStream(3);
  const normal = (length: number, scale: number) => Float32Array.from({ length }, () => scale * random.normal());

  const feeds: Record<string, Tensor> = {};
  for (const [name, { data, shape }] of weights) feeds[name] = new Tensor("float32", data.slice(), shape);
  const trained = [...weightShapes(config).keys()];
  if (trains === "adapter") trained.length = 0;
  for (const module of modules) {
    const [outputs, inputs] = moduleShape(config, module);
    const { a, b } = adapterTensorNames(module);
    feeds[a] = new Tensor("float32", normal(rank * inputs, 0.3), [rank, inputs]);
    feeds[b] = new Tensor("float32", normal(outputs * rank, 0.3), [outputs, rank]);
    trained.push(a, b);
  }
  const examples = randomExamples(5, [7, 4]);
  Object.assign(feeds, trainingBatch(examples, [0, 1], lossFunction("cross_entropy", {}), "training").feeds);

  const run = async () => {
    const results = await session.run(feeds);
    const logprobs = float32Result(results, trainingNames.logprobs);
    // The second row's last three cells are padding.
    const loss = -logprobs.reduce((sum, value, cell) => (cell < 11 ? sum + value : sum), 0);
    return { loss, gradient: float32Result(results, trainingNames.gradient).slice() };
  };
  const { gradient } = await run();
  let start = 0;
  let worst = 0;
  for (const name of trained) {
    const data = feeds[name]!.data as Float32Array;
    const original = data.slice();
    // Half along the gradient, half at random: a difference large enough for float32, and no error can hide from it.
    const own = gradient.subarray(start, start + data.length);
    const noise = normal(data.length, 1);
    const [noiseLength, ownLength] = [Math.hypot(...noise), Math.hypot(...own)];
    const direction = noise.map((n, index) => n / noiseLength + own[index]! / ownLength);
    const length = Math.hypot(...direction);
    const analytic = direction.reduce((sum, d, index) => sum + (d / length) * gradient[start + index]!, 0);
    const at = async (distance: number) => {
      data.forEach((_, index) => (data[index] = original[index]! + (distance * direction[index]!) / length));
      return (await run()).loss;
    };
    const step = 1e-2;
    const numeric = ((await at(step)) - (await at(-step))) / (2 * step);
    data.set(original);
    expect(Math.abs(analytic), `${name} has a gradient`).toBeGreaterThan(0);
    worst = Math.max(worst, Math.abs(numeric - analytic) / Math.abs(numeric));
    start += data.length;
  }
  expect(start, "every number has a gradient").toBe(gradient.length);
  await session.release();
  return worst;
}

test("the gradient of every adapter tensor matches finite differences", async ({ expect }) => {
  expect(await worstError("adapter", {}, expect)).toBeLessThan(1e-2);
});

test("gradients match finite differences with normalised queries and keys and an output layer of its own", async ({
  expect,
}) => {
  expect(await worstError("adapter", { queryKeyNorm: true, tiedEmbeddings: false }, expect)).toBeLessThan(1e-2);
});

test("the gradient of every weight of the model matches finite differences", async ({ expect }) => {
  expect(await worstError("weights", { queryKeyNorm: true }, expect)).toBeLessThan(1e-2);
  expect(await worstError("weights", { tiedEmbeddings: false }, expect)).toBeLessThan(1e-2);
});
