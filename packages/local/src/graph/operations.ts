import { added } from "./gradients.ts";
import type { Dimension, Graph, Value } from "./graph.ts";

/**
 * The differentiable operations that a decoder needs. Each appends its forward nodes and records its vector-Jacobian
 * product; composite ones (normalisation, rotation, log-probability) have a product of their own, which is shorter
 * and more accurate than the one derived through their parts.
 */

const contributed = "com.microsoft";

/** Width of the last axis, which is always a plain number here. */
function width(value: Value): number {
  const last = value.shape.at(-1);
  if (typeof last !== "number") throw new RangeError(`"${value.name}" has no fixed width`);
  return last;
}

/** a + b, of equal shapes. */
export function add(graph: Graph, a: Value, b: Value): Value {
  const sum = graph.apply("Add", [a, b], a);
  const pass = (gradient: Value) => added(graph, () => gradient);
  return graph.differentiable([a, b], sum, (gradient) => [pass(gradient), pass(gradient)]);
}

/** a * b elementwise, of equal shapes. */
export function multiply(graph: Graph, a: Value, b: Value): Value {
  const product = graph.apply("Mul", [a, b], a);
  return graph.differentiable([a, b], product, (gradient) => [
    added(graph, () => graph.apply("Mul", [gradient, b], a)),
    added(graph, () => graph.apply("Mul", [gradient, a], b)),
  ]);
}

/** x times a fixed number. */
export function scale(graph: Graph, x: Value, factor: number): Value {
  const constant = graph.constant({ type: "float32", shape: [], data: Float32Array.of(factor) });
  const scaled = (value: Value): Value => graph.apply("Mul", [value, constant], x);
  return graph.differentiable([x], scaled(x), (gradient) => [added(graph, () => scaled(gradient))]);
}

/** x * sigmoid(x). */
export function silu(graph: Graph, x: Value): Value {
  const gate = graph.apply("Sigmoid", [x], x);
  const y = graph.apply("Mul", [x, gate], x);
  return graph.differentiable([x], y, (gradient) => [
    added(graph, () => {
      // d/dx = gate + y - y * gate
      const product = graph.apply("Mul", [y, gate], x);
      const sum = graph.apply("Add", [gate, y], x);
      const slope = graph.apply("Sub", [sum, product], x);
      return graph.apply("Mul", [gradient, slope], x);
    }),
  ]);
}

interface ProductOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly sum?: Value | undefined;
}

/** op(a) op(b) + sum for matrices, where op may transpose. */
function gemm(graph: Graph, a: Value, b: Value, options: ProductOptions): Value {
  const { transposeA = false, transposeB = false, sum } = options;
  const rows = a.shape[transposeA ? 1 : 0] ?? 0;
  const columns = b.shape[transposeB ? 0 : 1] ?? 0;
  return graph.apply(
    "Gemm",
    sum === undefined ? [a, b] : [a, b, sum],
    { type: "float32", shape: [rows, columns] },
    { attributes: { transA: transposeA ? 1n : 0n, transB: transposeB ? 1n : 0n } },
  );
}

/**
 * x Wᵀ (+ plus), the product of a linear layer whose weight is stored [out, in] as in checkpoints: no transposed copy
 * of a frozen weight is ever made.
 */
export function linear(graph: Graph, x: Value, weight: Value, plus?: Value): Value {
  const y = gemm(graph, x, weight, { transposeB: true, sum: plus });
  const inputs = plus === undefined ? [x, weight] : [x, weight, plus];
  return graph.differentiable(inputs, y, (gradient) => [
    (sum) => gemm(graph, gradient, weight, { sum }),
    (sum) => gemm(graph, gradient, x, { transposeA: true, sum }),
    added(graph, () => gradient),
  ]);
}

function transposed(graph: Graph, x: Value): Value {
  const rank = x.shape.length;
  const order = [...Array(rank - 2).keys(), rank - 1, rank - 2];
  return permuted(graph, x, order);
}

/** Batched a b over the last two axes; leading axes are equal. */
export function matmul(graph: Graph, a: Value, b: Value): Value {
  const product = (left: Value, right: Value): Value => {
    const shape = [...left.shape.slice(0, -1), right.shape.at(-1) ?? 0];
    return graph.apply("MatMul", [left, right], { type: "float32", shape });
  };
  return graph.differentiable([a, b], product(a, b), (gradient) => [
    added(graph, () => product(gradient, transposed(graph, b))),
    added(graph, () => product(transposed(graph, a), gradient)),
  ]);
}

function permuted(graph: Graph, x: Value, order: readonly number[]): Value {
  const shape = order.map((axis) => x.shape[axis] ?? 0);
  return graph.apply("Transpose", [x], { type: x.type, shape }, { attributes: { perm: order } });
}

export function transpose(graph: Graph, x: Value, order: readonly number[]): Value {
  const inverse = order.map((_, axis) => order.indexOf(axis));
  return graph.differentiable([x], permuted(graph, x, order), (gradient) => [
    added(graph, () => permuted(graph, gradient, inverse)),
  ]);
}

export function reshape(graph: Graph, x: Value, shape: readonly Dimension[]): Value {
  const to = (value: Value, target: readonly Dimension[]): Value =>
    graph.apply("Reshape", [value, graph.shape(target)], { type: value.type, shape: target });
  return graph.differentiable([x], to(x, shape), (gradient) => [added(graph, () => to(gradient, x.shape))]);
}

/** Softmax over the last axis of x + bias, where the constant bias is broadcast over the leading axes. */
export function biasedSoftmax(graph: Graph, x: Value, bias: Value): Value {
  const biased = graph.apply("Add", [x, bias], x);
  const y = graph.apply("Softmax", [biased], x, { attributes: { axis: -1n } });
  return graph.differentiable([x], y, (gradient) => [
    added(graph, () => {
      const weighted = graph.apply("Mul", [gradient, y], x);
      const total = reduce(graph, "ReduceSum", weighted);
      const centred = graph.apply("Sub", [gradient, total], x);
      return graph.apply("Mul", [centred, y], x);
    }),
  ]);
}

/** Sum or mean over the last axis, which is kept with size 1. */
function reduce(graph: Graph, operator: "ReduceSum" | "ReduceMean", x: Value): Value {
  const axes = graph.constant({ type: "int64", shape: [1], data: BigInt64Array.of(-1n) });
  return graph.apply(
    operator,
    [x, axes],
    { type: x.type, shape: [...x.shape.slice(0, -1), 1] },
    { attributes: { keepdims: 1n } },
  );
}

/** x / sqrt(mean(x²) + epsilon) * weight over the last axis. x is a matrix. */
export function rmsNorm(graph: Graph, x: Value, weight: Value, epsilon: number): Value {
  const statistics: Omit<Value, "name"> = { type: "float32", shape: [...x.shape.slice(0, -1), 1] };
  const [y, inverse] = graph.applyMany("SimplifiedLayerNormalization", [x, weight], [x, statistics], {
    attributes: { axis: -1n, epsilon, stash_type: 1n },
  });
  return graph.differentiable([x, weight], y, (gradient) => {
    const unit = graph.apply("Mul", [x, inverse], x);
    return [
      added(graph, () => {
        // inverse * (g - unit * mean(g * unit)) with g = gradient * weight
        const g = graph.apply("Mul", [gradient, weight], x);
        const mean = reduce(graph, "ReduceMean", graph.apply("Mul", [g, unit], x));
        const radial = graph.apply("Mul", [unit, mean], x);
        const tangential = graph.apply("Sub", [g, radial], x);
        return graph.apply("Mul", [tangential, inverse], x);
      }),
      added(graph, () => {
        const axes = graph.constant({ type: "int64", shape: [1], data: BigInt64Array.of(0n) });
        const product = graph.apply("Mul", [gradient, unit], x);
        return graph.apply("ReduceSum", [product, axes], weight, { attributes: { keepdims: 0n } });
      }),
    ];
  });
}

/** Tables of {@link rotate}: one row per position, one column per rotated pair. */
export interface RotationTables {
  readonly cosine: Value;
  readonly sine: Value;
}

/** Rotary position embedding of x [batch, tokens, heads * size], halves rotated against each other as Llama does. */
export function rotate(graph: Graph, x: Value, heads: number, positions: Value, tables: RotationTables): Value {
  const rotated = (value: Value, sine: Value): Value =>
    graph.apply("RotaryEmbedding", [value, positions, tables.cosine, sine], x, {
      domain: contributed,
      attributes: { num_heads: BigInt(heads), rotary_embedding_dim: 0n, interleaved: 0n },
    });
  return graph.differentiable([x], rotated(x, tables.sine), (gradient) => [
    // The transpose of a rotation is the rotation back. The negated table is folded into a constant by the runtime.
    added(graph, () => rotated(gradient, graph.apply("Neg", [tables.sine], tables.sine))),
  ]);
}

/** Rows of a table [rows, width] by index [n]. */
export function embed(graph: Graph, table: Value, indices: Value): Value {
  const shape = [...indices.shape, width(table)];
  const rows = graph.apply("Gather", [table, indices], { type: "float32", shape });
  return graph.differentiable([table], rows, (gradient) => [
    (sum) => {
      const base = sum ?? filled(graph, table.shape, 0);
      const wide = graph.apply("Cast", [indices], { type: "int64", shape: indices.shape }, { attributes: { to: 7n } });
      const column = unsqueezed(graph, wide);
      return graph.apply("ScatterND", [base, column, gradient], table, { attributes: { reduction: "add" } });
    },
  ]);
}

/** Log probability of each row's target under softmax(logits): [n, vocabulary] and [n] to [n, 1]. */
export function targetLogprobs(graph: Graph, logits: Value, targets: Value): Value {
  const all = logSoftmax(graph, logits);
  const column = unsqueezed(graph, targets);
  const one: Omit<Value, "name"> = { type: "float32", shape: column.shape };
  const chosen = graph.apply("GatherElements", [all, column], one, { attributes: { axis: 1n } });
  return graph.differentiable([logits], chosen, (gradient) => [
    added(graph, () => {
      // gradient * (one-hot(target) - softmax), the one-hot written by scattering instead of materialised
      const probabilities = graph.apply("Exp", [all], logits);
      const negative = graph.apply("Neg", [gradient], one);
      const spread = graph.apply("Mul", [probabilities, negative], logits);
      return graph.apply("ScatterElements", [spread, column, gradient], logits, {
        attributes: { axis: 1n, reduction: "add" },
      });
    }),
  ]);
}

export function logSoftmax(graph: Graph, logits: Value): Value {
  return graph.apply("LogSoftmax", [logits], logits, { attributes: { axis: -1n } });
}

function unsqueezed(graph: Graph, x: Value): Value {
  const axes = graph.constant({ type: "int64", shape: [1], data: BigInt64Array.of(-1n) });
  return graph.apply("Unsqueeze", [x, axes], { type: x.type, shape: [...x.shape, 1] });
}

function filled(graph: Graph, shape: readonly Dimension[], value: number): Value {
  return graph.apply(
    "ConstantOfShape",
    [graph.shape(shape)],
    { type: "float32", shape },
    { attributes: { value: { type: "float32", shape: [1], data: Float32Array.of(value) } } },
  );
}

/**
 * [size, size], 0 where a row may attend to a column (itself and before) and -1e9 elsewhere. Not -Infinity, which
 * would turn a fully masked row into NaN.
 */
export function causalBias(graph: Graph, size: Dimension): Value {
  const masked = filled(graph, [size, size], -1e9);
  const diagonal = graph.constant({ type: "int64", shape: [], data: BigInt64Array.of(1n) });
  return graph.apply("Trilu", [masked, diagonal], masked, { attributes: { upper: 1n } });
}

/** All values flattened behind one another: one output to copy instead of many. */
export function flattened(graph: Graph, values: readonly Value[]): Value {
  const flat: Omit<Value, "name"> = { type: "float32", shape: ["flattened"] };
  const open = graph.constant({ type: "int64", shape: [1], data: BigInt64Array.of(-1n) });
  const parts = values.map((value) => graph.apply("Reshape", [value, open], flat));
  return graph.apply("Concat", parts, flat, { attributes: { axis: 0n } });
}
