import { test } from "vitest";
import { AdamOptimizer } from "../../src/engine/adam.ts";
import { EngineError } from "../../src/engine/engine.ts";

const plain = { learningRate: 0.1, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0, gradClipNorm: 0 };

test("two steps give the numbers of a calculation by hand", ({ expect }) => {
  const optimizer = new AdamOptimizer(2);
  const values = Float32Array.of(1, -2);

  // Step 1: after bias correction m = g and v = g², so every parameter moves by the learning rate.
  optimizer.step(values, Float32Array.of(0.5, -4), plain);
  expect(values[0]).toBeCloseTo(0.9, 6);
  expect(values[1]).toBeCloseTo(-1.9, 6);

  // Step 2 for g = 1, 0: m = 0.9 * 0.05 + 0.1 = 0.145, over 0.19; v = 0.99 * 0.0025 + 0.01 = 0.012475, over 0.0199.
  //                      m = 0.9 * -0.4 = -0.36, over 0.19;      v = 0.99 * 0.16 = 0.1584, over 0.0199.
  optimizer.step(values, Float32Array.of(1, 0), plain);
  expect(values[0]).toBeCloseTo(0.9 - (0.1 * 0.763158) / 0.791766, 5);
  expect(values[1]).toBeCloseTo(-1.9 + (0.1 * 1.894737) / 2.821303, 5);
  expect(optimizer.steps).toBe(2);
});

test("weight decay shrinks weights apart from the gradient", ({ expect }) => {
  const values = Float32Array.of(10, 10);
  new AdamOptimizer(2).step(values, Float32Array.of(0, 1), { ...plain, weightDecay: 0.5 });
  expect(values[0]).toBeCloseTo(9.5, 5);
  expect(values[1]).toBeCloseTo(9.4, 5);
});

test("a gradient longer than the clip norm is scaled to it, a shorter one is left", ({ expect }) => {
  const clipped = new AdamOptimizer(2);
  const { gradientNorm } = clipped.step(new Float32Array(2), Float32Array.of(3, 4), { ...plain, gradClipNorm: 1 });
  expect(gradientNorm).toBeCloseTo(5, 6);
  expect([...clipped.firstMoment].map((m) => m * 10)).toEqual([expect.closeTo(0.6, 5), expect.closeTo(0.8, 5)]);

  const short = new AdamOptimizer(2);
  short.step(new Float32Array(2), Float32Array.of(3, 4), { ...plain, gradClipNorm: 6 });
  expect(short.firstMoment[0]).toBeCloseTo(0.3, 6);
});

test("a gradient that is not finite is refused and changes nothing", ({ expect }) => {
  for (const bad of [NaN, Infinity]) {
    const optimizer = new AdamOptimizer(2);
    const values = Float32Array.of(1, 2);
    expect(() => optimizer.step(values, Float32Array.of(1, bad), plain)).toThrow(EngineError);
    expect([...values]).toEqual([1, 2]);
    expect([optimizer.steps, ...optimizer.firstMoment]).toEqual([0, 0, 0]);
  }
});

test("settings out of range are refused by name", ({ expect }) => {
  const step = (settings: Partial<typeof plain>) => () =>
    new AdamOptimizer(1).step(new Float32Array(1), new Float32Array(1), { ...plain, ...settings });
  expect(step({ learningRate: NaN })).toThrow(/learningRate/);
  expect(step({ beta1: 1 })).toThrow(/beta1/);
  expect(step({ beta2: -0.1 })).toThrow(/beta2/);
  expect(step({ eps: -1 })).toThrow(/eps/);
  expect(step({ gradClipNorm: -1 })).toThrow(/gradClipNorm/);
  expect(step({ weightDecay: Infinity })).toThrow(/weightDecay/);
});
