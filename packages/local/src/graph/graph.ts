import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProtoSchema,
  ModelProtoSchema,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  ValueInfoProtoSchema,
  type AttributeProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from "./gen/onnx_pb.ts";

/** A size known when the graph is built, or the name of one that is known when it runs ("batch", "tokens"). */
export type Dimension = number | string;

export type ElementType = "float32" | "int32" | "int64" | "bool";

/** One edge of the graph. Two values are the same edge exactly when they are the same object. */
export interface Value {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly Dimension[];
}

/** Data baked into the graph. */
export interface ConstantTensor {
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | BigInt64Array;
}

export type Attribute = number | bigint | string | readonly number[] | ConstantTensor;

export interface NodeOptions {
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Empty for a standard ONNX operator. */
  readonly domain?: string;
}

/**
 * Given the gradient with respect to an operation's output, says how to add the gradient with respect to one of its
 * inputs to `sum`, what other uses of that input have contributed so far. Getting `sum` lets a matrix product
 * accumulate in place instead of adding afterwards.
 */
export type Contribution = (sum: Value | undefined) => Value;

/** Vector-Jacobian product: one entry per differentiable input, in the order given to {@link Graph.differentiable}. */
export type VectorJacobianProduct = (outputGradient: Value) => readonly Contribution[];

interface TapeEntry {
  readonly inputs: readonly Value[];
  readonly output: Value;
  readonly vjp: VectorJacobianProduct;
}

/** Codes of TensorProto.DataType. */
const dataTypes: Readonly<Record<ElementType, number>> = { float32: 1, int32: 6, int64: 7, bool: 9 };

const attributeTypes = { float: 1, int: 2, string: 3, tensor: 4, ints: 7 } as const;

/**
 * The first operator set with `axes` as an input of every reduction, and the newest whose operators all have kernels
 * in every execution provider we might use.
 */
const opsetVersion = 18n;

/** An ONNX graph under construction, with a tape of the differentiable operations for {@link gradients}. */
export class Graph {
  readonly #nodes: NodeProto[] = [];
  readonly #inputs: ValueInfoProto[] = [];
  readonly #outputs = new Map<string, Value>();
  readonly #initializers: TensorProto[] = [];
  readonly #constants = new Map<string, Value>();
  readonly #dimensionSources = new Map<string, { value: Value; axis: number }>();
  readonly #dimensions = new Map<string, Value>();
  readonly #tape: TapeEntry[] = [];
  #nextName = 0;

  get tape(): readonly TapeEntry[] {
    return this.#tape;
  }

  /** Declares a fed value. The first input that carries a named dimension is where the graph reads its size. */
  input(name: string, type: ElementType, shape: readonly Dimension[]): Value {
    const value: Value = { name, type, shape };
    this.#inputs.push(valueInfo(value));
    for (const [axis, dimension] of shape.entries()) {
      if (typeof dimension === "string" && !this.#dimensionSources.has(dimension)) {
        this.#dimensionSources.set(dimension, { value, axis });
      }
    }
    return value;
  }

  /** Bakes a named tensor into the graph; the runtime may repack it for its kernels. */
  initializer(name: string, tensor: ConstantTensor): Value {
    this.#initializers.push(tensorProto(tensor, name));
    return { name, type: tensor.type, shape: tensor.shape };
  }

  /** A small constant; equal ones share a node. */
  constant(tensor: ConstantTensor): Value {
    const key = `${tensor.type}[${tensor.shape.join()}]:${tensor.data.join()}`;
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const value = this.initializer(`constant_${this.#constants.size}`, tensor);
    this.#constants.set(key, value);
    return value;
  }

  /** Makes a computed value a result of running the graph. */
  output(name: string, value: Value): void {
    this.#outputs.set(value.name, { ...value, name });
  }

  /** Appends an operator with one output. */
  apply(operator: string, inputs: readonly Value[], output: Omit<Value, "name">, options: NodeOptions = {}): Value {
    const [value] = this.applyMany(operator, inputs, [output], options);
    return value;
  }

  /** Appends an operator with several outputs. */
  applyMany<const T extends readonly [Omit<Value, "name">, ...Omit<Value, "name">[]]>(
    operator: string,
    inputs: readonly Value[],
    outputs: T,
    options: NodeOptions = {},
  ): { [K in keyof T]: Value } {
    const values = outputs.map(({ type, shape }) => ({
      name: `${operator}_${this.#nextName++}`,
      type,
      shape,
    })) as { [K in keyof T]: Value };
    this.#nodes.push(
      node(
        operator,
        inputs.map(({ name }) => name),
        values.map(({ name }) => name),
        options,
      ),
    );
    return values;
  }

  /** Records how `output` depends on `inputs`, for {@link gradients}. */
  differentiable(inputs: readonly Value[], output: Value, vjp: VectorJacobianProduct): Value {
    this.#tape.push({ inputs, output, vjp });
    return output;
  }

  /**
   * The dimensions as an int64 vector, for operators that take a shape as input. One of them may have a name that no
   * input carries: it becomes -1, which tells Reshape to infer it.
   */
  shape(dimensions: readonly Dimension[]): Value {
    const fixed = dimensions.filter((dimension) => typeof dimension === "number");
    if (fixed.length === dimensions.length) return this.#int64(fixed);
    const parts = dimensions.map((dimension) =>
      typeof dimension === "number" ? this.#int64([dimension]) : this.#dimension(dimension),
    );
    const key = dimensions.join();
    const known = this.#dimensions.get(key);
    if (known !== undefined) return known;
    const shape = this.apply(
      "Concat",
      parts,
      { type: "int64", shape: [dimensions.length] },
      { attributes: { axis: 0n } },
    );
    this.#dimensions.set(key, shape);
    return shape;
  }

  /** The bytes of an ONNX model file. */
  encode(): Uint8Array {
    // Results get their name by renaming: an Identity node would copy those that are written in place.
    const renamed = (names: readonly string[]): string[] => names.map((name) => this.#outputs.get(name)?.name ?? name);
    return toBinary(
      ModelProtoSchema,
      create(ModelProtoSchema, {
        irVersion: 8n,
        producerName: "tinkex",
        opsetImport: [
          { domain: "", version: opsetVersion },
          { domain: "com.microsoft", version: 1n },
        ],
        graph: {
          name: "graph",
          node: this.#nodes.map((entry) => ({ ...entry, input: renamed(entry.input), output: renamed(entry.output) })),
          input: this.#inputs,
          output: [...this.#outputs.values()].map(valueInfo),
          initializer: this.#initializers,
        },
      }),
    );
  }

  #int64(values: readonly number[]): Value {
    return this.constant({ type: "int64", shape: [values.length], data: BigInt64Array.from(values, BigInt) });
  }

  #dimension(name: string): Value {
    const known = this.#dimensions.get(name);
    if (known !== undefined) return known;
    const source = this.#dimensionSources.get(name);
    if (source === undefined) return this.#int64([-1]);
    const size = this.apply(
      "Shape",
      [source.value],
      { type: "int64", shape: [1] },
      { attributes: { start: BigInt(source.axis), end: BigInt(source.axis + 1) } },
    );
    this.#dimensions.set(name, size);
    return size;
  }
}

function node(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  { attributes = {}, domain = "" }: NodeOptions,
): NodeProto {
  return {
    $typeName: "onnx.NodeProto",
    input: [...input],
    output: [...output],
    name: output.join(),
    opType,
    domain,
    attribute: Object.entries(attributes).map(([name, value]) => attributeProto(name, value)),
  };
}

/** A bigint is an integer attribute, a number a float one: ONNX tells `axis: 1` from `alpha: 1`. */
function attributeProto(name: string, value: Attribute): AttributeProto {
  if (typeof value === "bigint") return create(AttributeProtoSchema, { name, type: attributeTypes.int, i: value });
  if (typeof value === "number") return create(AttributeProtoSchema, { name, type: attributeTypes.float, f: value });
  if (typeof value === "string") {
    return create(AttributeProtoSchema, { name, type: attributeTypes.string, s: new TextEncoder().encode(value) });
  }
  if ("data" in value) {
    return create(AttributeProtoSchema, { name, type: attributeTypes.tensor, t: tensorProto(value, "") });
  }
  return create(AttributeProtoSchema, { name, type: attributeTypes.ints, ints: value.map(BigInt) });
}

function tensorProto({ type, shape, data }: ConstantTensor, name: string): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dims: shape.map(BigInt),
    dataType: dataTypes[type],
    rawData: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
  });
}

function valueInfo({ name, type, shape }: Value): ValueInfoProto {
  const dim = shape.map((dimension) =>
    create(TensorShapeProto_DimensionSchema, {
      value:
        typeof dimension === "number"
          ? { case: "dimValue", value: BigInt(dimension) }
          : { case: "dimParam", value: dimension },
    }),
  );
  return create(ValueInfoProtoSchema, {
    name,
    type: { value: { case: "tensorType", value: { elemType: dataTypes[type], shape: { dim } } } },
  });
}
