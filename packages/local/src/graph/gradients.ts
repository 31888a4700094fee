import type { Contribution, Graph, Value } from "./graph.ts";

/**
 * Extends the graph by reverse-mode differentiation: the gradient of a scalar with respect to each of `variables`,
 * given its gradient `seed` with respect to `output`. Operations that no variable reaches add nothing.
 *
 * @throws RangeError when `output` does not depend on one of the variables.
 */
export function gradients(graph: Graph, output: Value, seed: Value, variables: readonly Value[]): Value[] {
  const forward = [...graph.tape];
  const active = new Set<Value>(variables);
  for (const { inputs, output: result } of forward) {
    if (inputs.some((input) => active.has(input))) active.add(result);
  }

  const sums = new Map<Value, Value>([[output, seed]]);
  for (const { inputs, output: result, vjp } of forward.toReversed()) {
    const gradient = sums.get(result);
    if (gradient === undefined || !active.has(result)) continue;
    for (const [index, contribute] of vjp(gradient).entries()) {
      const input = inputs[index];
      if (input !== undefined && active.has(input)) sums.set(input, contribute(sums.get(input)));
    }
  }

  return variables.map((variable) => {
    const gradient = sums.get(variable);
    if (gradient === undefined) throw new RangeError(`The output does not depend on "${variable.name}"`);
    return gradient;
  });
}

/** For operations that cannot accumulate in place: computes the contribution and adds it to the sum. */
export function added(graph: Graph, contribution: () => Value): Contribution {
  return (sum) => {
    const value = contribution();
    return sum === undefined ? value : graph.apply("Add", [sum, value], value);
  };
}
