import { Place } from "../protocol-error.ts";
import type { ModelInput } from "./model-input.ts";
import { TensorData, checkTensor } from "./tensor-data.ts";
import type { TensorDtype } from "./tensor-data.ts";

/** The inputs of a loss function for one datum, under Tinker's own names (`target_tokens`, `weights`, `advantages`, ...). */
export type LossFnInputs = Readonly<Record<string, TensorData>>;

/** One training example: what the model reads and what the loss function needs. */
export interface Datum {
  readonly modelInput: ModelInput;
  readonly lossFnInputs: LossFnInputs;
}

/** Numbers nested as deep as the tensor has dimensions. `null` stands for NaN where floats are expected. */
export type NestedNumbers = readonly (number | bigint | boolean | null | NestedNumbers)[];

/** What a loss function input can be made from. */
export type LossFnInput =
  | TensorData
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | NestedNumbers;

/** What {@link Datum.from} takes. */
export interface DatumOptions {
  readonly modelInput: ModelInput;
  readonly lossFnInputs?: Readonly<Record<string, LossFnInput>>;
}

/** Element types of the inputs that the built-in losses take. */
const dtypes: ReadonlyMap<string, TensorDtype> = new Map([
  ["target_tokens", "int64"],
  ["weights", "float32"],
  ["advantages", "float32"],
  ["logprobs", "float32"],
  ["clip_low_threshold", "float32"],
  ["clip_high_threshold", "float32"],
]);

const deepestTensor = 16;

/** Shape of a rectangular nested list, its values appended to `flat`. */
function flatten(list: readonly unknown[], flat: unknown[], place: Place): number[] {
  if (place.depth > deepestTensor) return place.failWith(`of at most ${deepestTensor} dimensions`, "more");
  const ragged = (): never => place.failWith("rectangular", "ragged nested lists are not supported");
  let inner: number[] | undefined;
  for (const [index, item] of list.entries()) {
    const shape = Array.isArray(item) ? flatten(item, flat, place.at(index)) : [];
    if (!Array.isArray(item)) flat.push(item);
    inner ??= shape;
    if (inner.length !== shape.length || inner.some((length, axis) => length !== shape[axis])) ragged();
  }
  return [list.length, ...(inner ?? [])];
}

function floatOf(value: unknown, place: Place): number {
  if (value === null) return Number.NaN;
  if (typeof value === "number") return value;
  return typeof value === "bigint" || typeof value === "boolean" ? Number(value) : place.fail("a number", value);
}

function integerOf(value: unknown, place: Place): number | bigint {
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return value as number | bigint;
  return typeof value === "boolean" ? Number(value) : place.fail("an integer", value);
}

function fromNested(name: string, list: readonly unknown[], place: Place): TensorData {
  const dtype = dtypes.get(name);
  if (dtype === undefined) {
    return place.failWith(
      `a typed array or a TensorData (plain lists are only for ${[...dtypes.keys()].join(", ")})`,
      "a list",
    );
  }
  const flat: unknown[] = [];
  const shape = flatten(list, flat, place);
  switch (dtype) {
    case "float32":
      return TensorData.float32(
        flat.map((value, index) => floatOf(value, place.at(index))),
        shape,
      );
    case "int64":
      return TensorData.int64(
        flat.map((value, index) => integerOf(value, place.at(index))),
        shape,
      );
  }
}

function toTensor(name: string, value: LossFnInput, place: Place): TensorData {
  if (Array.isArray(value)) return fromNested(name, value, place);
  if (value instanceof Float32Array || value instanceof Float64Array)
    return TensorData.float32(value instanceof Float32Array ? value : Float32Array.from(value));
  if (value instanceof Int32Array || value instanceof BigInt64Array) return TensorData.int64(value);
  if (value instanceof Int8Array || value instanceof Int16Array) return TensorData.int64(Int32Array.from(value));
  if (typeof value !== "object" || value === null || !("dtype" in value)) {
    return place.fail("a TensorData, a list, or an array of floats or signed integers", value);
  }
  return checkTensor(value, place);
}

/** Functions on {@link Datum}. */
export const Datum = {
  /**
   * Makes a datum, turning each loss function input into a tensor: a `TensorData` is kept; an array of floats becomes
   * float32 and one of signed integers int64; a plain list (nested lists give more dimensions) takes the type that
   * Tinker gives its name: `target_tokens` int64, `weights`, `advantages`, `logprobs`, `clip_low_threshold` and
   * `clip_high_threshold` float32.
   *
   * Throws `ProtocolError` for a list under another name, ragged lists, fractions or null where integers belong, and
   * anything else.
   */
  from({ modelInput, lossFnInputs = {} }: DatumOptions): Datum {
    const place = Place.root("Datum").at("loss_fn_inputs");
    return {
      modelInput,
      lossFnInputs: Object.fromEntries(
        Object.entries(lossFnInputs).map(([name, value]) => [name, toTensor(name, value, place.at(name))]),
      ),
    };
  },
};
