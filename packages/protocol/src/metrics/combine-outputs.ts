import type { ForwardBackwardOutput } from "../messages/training.ts";
import { hashIntegerTuple } from "./python-hash.ts";

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

function mean(values: readonly number[], weights: readonly number[]): number {
  const total = sum(weights);
  // Outputs without datums have nothing to weigh by, so each counts the same.
  if (total === 0) return sum(values) / values.length;
  return sum(values.map((value, index) => value * (weights[index] ?? 0))) / total;
}

function hashUnordered(values: readonly number[]): number | undefined {
  if (!values.every(Number.isFinite)) return undefined;
  const integers = values.map((value) => BigInt(Math.trunc(value))).sort((a, b) => (a < b ? -1 : Number(a > b)));
  return Number(hashIntegerTuple(integers));
}

/** The entries that one metric of all outputs becomes. */
function reduceMetric(key: string, values: readonly number[], weights: readonly number[]): [string, number][] {
  const [, reduction, ...rest] = key.split(":");
  const one = (value: number | undefined): [string, number][] => (value === undefined ? [] : [[key, value]]);
  if (reduction === undefined || rest.length > 0) return one(values[0]);
  switch (reduction) {
    case "mean":
      return one(mean(values, weights));
    case "sum":
      return one(sum(values));
    case "min":
      return one(values.reduce((least, value) => Math.min(least, value), Infinity));
    case "max":
      return one(values.reduce((most, value) => Math.max(most, value), -Infinity));
    case "slack":
      return one(values.reduce((most, value) => Math.max(most, value), -Infinity) - mean(values, weights));
    case "unique":
      return values.map((value, index) => [index === 0 ? key : `${key}_${index}`, value]);
    case "hash_unordered":
      return one(hashUnordered(values));
    default:
      return [];
  }
}

/**
 * Joins the results of one call's chunks, in chunk order, as the Python SDK does: the type is the first one's, the
 * outputs follow each other, and each metric is reduced as the part of its name after the colon says.
 *
 * | reduction | result |
 * | --- | --- |
 * | `sum`, `min`, `max` | plain |
 * | `mean` | weighted by each chunk's number of outputs; unweighted if no chunk has any |
 * | `slack` | `max` minus `mean` |
 * | `unique` | the first value, the others under `<name>_1`, `<name>_2`, ... |
 * | `hash_unordered` | CPython's hash of the sorted integers, rounded to a double; dropped if a value is not finite |
 *
 * A metric that some chunk lacks, or whose reduction is unknown, is dropped. One whose name is not `name:reduction` keeps
 * the first chunk's value. Nothing here throws: an odd metric must not cost a step that the service has taken.
 */
export function combineForwardBackwardOutputs(outputs: readonly ForwardBackwardOutput[]): ForwardBackwardOutput {
  const weights = outputs.map((output) => output.lossFnOutputs.length);
  const [first] = outputs;
  const metrics = Object.keys(first?.metrics ?? {}).flatMap((key) => {
    const values = outputs.flatMap((output) => (Object.hasOwn(output.metrics, key) ? [output.metrics[key] ?? 0] : []));
    return values.length === outputs.length ? reduceMetric(key, values, weights) : [];
  });
  return {
    lossFnOutputType: first?.lossFnOutputType ?? "",
    lossFnOutputs: outputs.flatMap((output) => output.lossFnOutputs),
    metrics: Object.fromEntries(metrics),
  };
}
