import { TensorData, combineForwardBackwardOutputs } from "@tinkex/protocol";
import type { ForwardBackwardOutput } from "@tinkex/protocol";
import { describe, test } from "vitest";

/** An output of `datums` datums with these metrics. */
function output(metrics: Readonly<Record<string, number>>, datums = 1): ForwardBackwardOutput {
  const lossFnOutputs = Array.from({ length: datums }, (_, index) => ({ logprobs: TensorData.float32([-index]) }));
  return { lossFnOutputType: "TorchLossReturn", lossFnOutputs, metrics };
}

const metricsOf = (...outputs: ForwardBackwardOutput[]): Readonly<Record<string, number>> =>
  combineForwardBackwardOutputs(outputs).metrics;

describe("metrics are reduced as their names say", () => {
  test("unique keeps every value, numbered", ({ expect }) => {
    expect(metricsOf(output({ "clock_cycle:unique": 12_345 }))).toEqual({ "clock_cycle:unique": 12_345 });
    const three = [12_345, 12_346, 12_347].map((value) => output({ "clock_cycle:unique": value }));
    expect(metricsOf(...three)).toEqual({
      "clock_cycle:unique": 12_345,
      "clock_cycle:unique_1": 12_346,
      "clock_cycle:unique_2": 12_347,
    });
    const stamps = [1_234_567_890.123, 1_234_567_890.456].map((value) => output({ "t:unique": value }));
    expect(metricsOf(...stamps)).toEqual({ "t:unique": 1_234_567_890.123, "t:unique_1": 1_234_567_890.456 });
  });

  test("each name on its own", ({ expect }) => {
    const metrics = metricsOf(
      output({ "clock_cycle:unique": 100, "loss:mean": 0.5, "accuracy:max": 0.8, "n:sum": 1, "low:min": 3 }),
      output({ "clock_cycle:unique": 101, "loss:mean": 0.6, "accuracy:max": 0.9, "n:sum": 2, "low:min": 4 }),
    );
    expect(metrics).toEqual({
      "clock_cycle:unique": 100,
      "clock_cycle:unique_1": 101,
      "loss:mean": 0.55,
      "accuracy:max": 0.9,
      "n:sum": 3,
      "low:min": 3,
    });
  });

  test("means are weighted by datums", ({ expect }) => {
    const chunks = [2, 2, 2, 1].map((datums) => output({ "x:mean": datums, "loss:sum": 1 }, datums));
    expect(metricsOf(...chunks)).toEqual({ "x:mean": 13 / 7, "loss:sum": 4 });
    expect(metricsOf(output({ "x:slack": 1 }, 1), output({ "x:slack": 3 }, 3))).toEqual({ "x:slack": 0.5 });
  });

  test.for([
    [[1, 2, 3], 529_344_067_295_497_451n],
    [[3, 1, 2], 529_344_067_295_497_451n],
    [[1, 2], -3_550_055_125_485_641_917n],
    [[5.9], -7_813_438_383_599_366_905n],
  ] as const)("hash_unordered of %o is CPython's", ([values, hash], { expect }) => {
    expect(metricsOf(...values.map((value) => output({ "h:hash_unordered": value })))).toEqual({
      "h:hash_unordered": Number(hash),
    });
  });
});

describe("an odd metric costs no step", () => {
  test("one that some chunk lacks is dropped", ({ expect }) => {
    expect(metricsOf(output({ "clock_cycle:unique": 1 }), output({ "other:mean": 2 }))).toEqual({});
  });

  test("an unknown reduction is dropped", ({ expect }) => {
    expect(metricsOf(output({ "x:median": 1, "y:sum": 1 }))).toEqual({ "y:sum": 1 });
  });

  test("a name of another form keeps the first value", ({ expect }) => {
    expect(metricsOf(output({ loss: 1, "a:b:sum": 2 }), output({ loss: 3, "a:b:sum": 4 }))).toEqual({
      loss: 1,
      "a:b:sum": 2,
    });
  });

  test("a mean over no datums is the plain mean", ({ expect }) => {
    expect(metricsOf(output({ "x:mean": 1, "y:slack": 1 }, 0), output({ "x:mean": 2, "y:slack": 2 }, 0))).toEqual({
      "x:mean": 1.5,
      "y:slack": 0.5,
    });
  });

  test("a hash of what has no integer is dropped", ({ expect }) => {
    expect(metricsOf(output({ "h:hash_unordered": Number.NaN }))).toEqual({});
  });

  test("names that JavaScript knows are only names", ({ expect }) => {
    expect(metricsOf(output({ toString: 1 }), output({}))).toEqual({});
    expect(metricsOf(output({ toString: 2 }), output({ toString: 3 }))).toEqual({ toString: 2 });
  });
});

test("outputs follow each other in chunk order", ({ expect }) => {
  const combined = combineForwardBackwardOutputs([output({}, 2), output({}, 1)]);
  expect(combined.lossFnOutputType).toBe("TorchLossReturn");
  expect(combined.lossFnOutputs.map(({ logprobs }) => TensorData.toNumbers(logprobs!))).toEqual([[-0], [-1], [-0]]);
});

test("no outputs combine to an empty one", ({ expect }) => {
  expect(combineForwardBackwardOutputs([])).toEqual({ lossFnOutputType: "", lossFnOutputs: [], metrics: {} });
});
