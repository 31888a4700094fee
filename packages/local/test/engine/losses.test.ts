import { test } from "vitest";
import type { TrainingExample } from "../../src/engine/engine.ts";
import { EngineError } from "../../src/engine/engine.ts";
import { lossFunction } from "../../src/engine/losses.ts";
import { adam, adapterSpec, largestDifference, randomExamples, tinyEngine } from "./support/tiny-model.ts";

/**
 * By hand, with log p and log q chosen so that the ratio r is a round number:
 * r = 2: log p = -1, log q = -1.693147; r = 0.5: log p = -2, log q = -1.306853; r = 1: both -1.5.
 */
const halves = {
  ratio2: { p: -1, q: -1.693147181 },
  ratioHalf: { p: -2, q: -1.306852819 },
  ratio1: { p: -1.5, q: -1.5 },
};

const table = [
  ["cross_entropy", {}, halves.ratio2, 3, 0.5, 0.5],
  ["importance_sampling", {}, halves.ratio2, 3, 1, -6],
  ["importance_sampling", {}, halves.ratioHalf, -4, 0.5, 1],
  ["ppo", {}, halves.ratio2, 3, 1, -3.6], // clipped at 1.2
  ["ppo", {}, halves.ratio2, -3, 1, 6], // the clip never softens a worse ratio
  ["ppo", {}, halves.ratioHalf, 2, 1, -1],
  ["ppo", {}, halves.ratioHalf, -2, 1, 1.6], // clipped at 0.8
  ["ppo", { clip_high_threshold: 3 }, halves.ratio2, 3, 1, -6],
  ["ppo", {}, halves.ratio1, 5, 2, -10],
  ["cispo", {}, halves.ratio2, 3, 1, 6], // -2 * 3 * -1
  ["cispo", { clip_high_threshold: 1.5 }, halves.ratio2, 3, 1, 4.5],
  ["cispo", { clip_low_threshold: 0.8 }, halves.ratioHalf, 2, 1, 3.2],
  ["dro", { beta: 0 }, halves.ratio2, 3, 1, 3],
  ["dro", { beta: 2 }, halves.ratio2, 3, 1, 3.480453], // 3 + (ln 2)²
  ["dro", {}, halves.ratioHalf, -1, 2, -3.975977], // 2 * (-2 + 0.025 * (ln 2)²)
] as const;

test("every loss has the value that its formula gives by hand", ({ expect }) => {
  for (const [name, config, { p, q }, advantage, weight, expected] of table) {
    const value = lossFunction(name, config).value(p, { weight, advantage, samplingLogprob: q });
    expect(value, `${name} ${JSON.stringify(config)} A=${advantage}`).toBeCloseTo(expected, 5);
  }
});

/** The slope of each loss at the same points, by differentiating the formulas on paper. */
const slopes = [
  ["cross_entropy", {}, halves.ratio2, 3, 0.5, -0.5],
  ["importance_sampling", {}, halves.ratio2, 3, 1, -6],
  ["ppo", {}, halves.ratio2, 3, 1, 0],
  ["ppo", {}, halves.ratio2, -3, 1, 6],
  ["ppo", {}, halves.ratioHalf, -2, 1, 0],
  ["ppo", {}, halves.ratioHalf, 2, 1, -1],
  ["ppo", {}, halves.ratio1, 5, 2, -10],
  ["cispo", {}, halves.ratio2, 3, 1, -6],
  ["cispo", { clip_high_threshold: 1.5 }, halves.ratio2, 3, 1, -4.5],
  ["cispo", { clip_low_threshold: 0.8 }, halves.ratioHalf, 2, 1, -1.6],
  ["dro", { beta: 2 }, halves.ratio2, 3, 1, -1.613706], // -3 + 2 ln 2
] as const;

test("training follows the slope of each loss: the same step as cross-entropy weighted by it", async ({ expect }) => {
  await using engine = tinyEngine();
  const [row] = randomExamples(3, [5]) as [TrainingExample];
  await engine.createAdapter("probe", adapterSpec());
  const scored = await engine.forwardBackward("probe", {
    examples: [row],
    loss: "cross_entropy",
    lossConfig: {},
    backward: false,
  });
  const current = scored.logprobs[0]!;

  for (const [index, [loss, lossConfig, { p, q }, advantage, weight, slope]] of slopes.entries()) {
    // One token carries the loss; its sampling logprob gives it the ratio of the table.
    const position = 2;
    const only = (value: number) => Float32Array.from(current, (_, at) => (at === position ? value : 0));
    // d/dlogp does not depend on p itself except through the ratio.
    const samplingLogprobs = current.map((logprob) => logprob - (p - q));
    const step = async (id: string, example: TrainingExample, pass: { loss: typeof loss; config: object }) => {
      await engine.createAdapter(id, adapterSpec());
      await engine.forwardBackward(id, {
        examples: [example],
        loss: pass.loss,
        lossConfig: { ...pass.config },
        backward: true,
      });
      // With such an eps, the step is proportional to the gradient.
      await engine.optimStep(id, { ...adam, learningRate: 1e4, eps: 1e6, beta1: 0, beta2: 0 });
      const { tensors } = await engine.exportState(id, { optimizer: false });
      return [...tensors.values()].flatMap(({ data }) => [...data]);
    };
    const direct = await step(
      `${index}`,
      { ...row, weights: only(weight), samplingLogprobs, advantages: only(advantage) },
      { loss, config: lossConfig },
    );
    const expected = await step(
      `${index} expected`,
      { ...row, weights: only(-slope) },
      { loss: "cross_entropy", config: {} },
    );
    const moved = Math.max(...expected.map(Math.abs));
    expect(largestDifference(direct, expected) / moved, `${loss} A=${advantage}`).toBeLessThan(1e-4);
  }
});

test("unknown losses, unknown settings and impossible thresholds are refused by name", ({ expect }) => {
  expect(() => lossFunction("gpt" as "ppo", {})).toThrow(EngineError);
  expect(() => lossFunction("ppo", { clip_hihg_threshold: 1.2 })).toThrow(/clip_hihg_threshold.*clip_low_threshold/);
  expect(() => lossFunction("cross_entropy", { beta: 1 })).toThrow(/no setting "beta"/);
  expect(() => lossFunction("cispo", { clip_low_threshold: 5 })).toThrow(/cannot be 5 and 4/);
  expect(() => lossFunction("ppo", { clip_low_threshold: NaN })).toThrow(EngineError);
  expect(() => lossFunction("dro", { beta: -1 })).toThrow(/at least 0/);
});
