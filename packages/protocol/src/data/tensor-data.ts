import { Place } from "../protocol-error.ts";

/** Element types a tensor can have in a request. Results in bfloat16 and int32 are widened to these when decoded. */
export type TensorDtype = "float32" | "int64";

/**
 * Where the values of a sparse 2-D tensor belong (compressed sparse rows). The values of row r are number
 * `crowIndices[r]` (inclusive) to `crowIndices[r + 1]` (exclusive) of `data`, each in column `colIndices` says.
 */
export interface SparseIndices {
  /** Rows + 1 entries, from 0 to the number of values, never falling. */
  readonly crowIndices: Int32Array;
  /** One column per value. */
  readonly colIndices: Int32Array;
}

/** What both kinds of tensor have. */
export interface TensorLayout {
  /**
   * Length of each dimension; its product is the number of values, unless sparse. An empty shape leaves it to the
   * receiver, which takes the tensor as one-dimensional (so a scalar arrives as one value in one dimension).
   */
  readonly shape: readonly number[];
  /** Set for a sparse tensor: `data` holds only the values that are not zero, and `shape` is the dense 2-D shape. */
  readonly sparse?: SparseIndices;
}

/** A tensor of 32-bit floats. */
export interface Float32TensorData extends TensorLayout {
  readonly dtype: "float32";
  readonly data: Float32Array;
}

/**
 * A tensor of 64-bit integers. Values that fit 32 bits (token ids do) may be held in an `Int32Array`; they are widened
 * when encoded. A decoded tensor has an `Int32Array` when every value fits, else a `BigInt64Array`.
 */
export interface Int64TensorData extends TensorLayout {
  readonly dtype: "int64";
  readonly data: Int32Array | BigInt64Array;
}

/** A tensor as losses take and give it, told apart by `dtype`. */
export type TensorData = Float32TensorData | Int64TensorData;

const place = Place.root("TensorData");
const smallestInt32 = -(2 ** 31);
const largestInt32 = 2 ** 31 - 1;
/** As in NumPy. Without a limit, a small body could ask for a long shape in every one of many tensors. */
const mostDimensions = 64;

/** Number of values that a shape has room for. Throws `ProtocolError` for a bad dimension or a product beyond 2^53. */
export function elementCount(shape: readonly number[], at: Place): number {
  if (shape.length > mostDimensions)
    at.at("shape").failWith(`of at most ${mostDimensions} dimensions`, `${shape.length}`);
  let product = 1;
  for (const [index, length] of shape.entries()) {
    if (!Number.isSafeInteger(length) || length < 0) at.at("shape").at(index).fail("an integer of at least 0", length);
    product *= length;
    // A later 0 does not excuse an overflow: no honest tensor is that large in its other dimensions.
    if (!Number.isSafeInteger(product)) at.at("shape").failWith("of at most 2^53 elements", "a product beyond that");
  }
  return product;
}

function checkSparse(
  { crowIndices, colIndices }: SparseIndices,
  shape: readonly number[],
  values: number,
  at: Place,
): void {
  const [rows, columns] = shape;
  if (shape.length !== 2 || rows === undefined || columns === undefined) {
    return at.at("shape").failWith("of two dimensions, being sparse", `${shape.length}`);
  }
  const crow = at.at("sparse_crow_indices");
  if (!(crowIndices instanceof Int32Array)) return crow.fail("an Int32Array", crowIndices);
  if (crowIndices.length !== rows + 1) crow.failWith(`of ${rows + 1} entries, rows + 1`, `${crowIndices.length}`);
  if (crowIndices[0] !== 0) crow.at(0).fail("0", crowIndices[0]);
  for (let row = 1; row <= rows; row += 1) {
    if (Number(crowIndices[row]) < Number(crowIndices[row - 1]))
      crow.at(row).fail("no less than the one before", crowIndices[row]);
  }
  if (crowIndices[rows] !== values) crow.at(rows).fail(`${values}, the number of values`, crowIndices[rows]);
  const col = at.at("sparse_col_indices");
  if (!(colIndices instanceof Int32Array)) return col.fail("an Int32Array", colIndices);
  if (colIndices.length !== values) col.failWith(`of ${values} entries, one per value`, `${colIndices.length}`);
  const outside = colIndices.findIndex((column) => column < 0 || column >= columns);
  if (outside !== -1) col.at(outside).fail(`a column from 0 to ${columns - 1}`, colIndices[outside]);
}

/** Returns the tensor if its parts agree, else throws `ProtocolError`. */
export function checkTensor(tensor: TensorData, at: Place): TensorData {
  if (typeof tensor !== "object" || tensor === null) return at.fail("a TensorData", tensor);
  const { dtype, data, shape, sparse } = tensor;
  const fits =
    dtype === "float32"
      ? data instanceof Float32Array
      : dtype === "int64"
        ? data instanceof Int32Array || data instanceof BigInt64Array
        : at.at("dtype").fail('"float32" or "int64"', dtype);
  if (!fits) at.at("data").fail(dtype === "float32" ? "a Float32Array" : "an Int32Array or BigInt64Array", data);
  if (!Array.isArray(shape)) return at.at("shape").fail("an array", shape);
  const room = elementCount(shape, at);
  if (sparse === null) at.at("sparse").fail("an object", sparse);
  if (sparse !== undefined) checkSparse(sparse, shape, data.length, at);
  else if (shape.length > 0 && room !== data.length) {
    at.at("shape").failWith(`of ${data.length} elements, as many as data has`, `[${shape.join(", ")}]`);
  }
  return tensor;
}

/** Integers in the smallest array that holds them all. */
export function packIntegers(values: ArrayLike<number | bigint>, at: Place): Int32Array | BigInt64Array {
  const small = new Int32Array(values.length);
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index];
    if (typeof value === "number" && value >= smallestInt32 && value <= largestInt32 && Number.isInteger(value)) {
      small[index] = value;
    } else {
      return packLongIntegers(values, at);
    }
  }
  return small;
}

/** Integers that must all fit 32 bits. An `Int32Array` is kept, not copied. */
export function packInt32(values: readonly number[] | Int32Array, at: Place): Int32Array {
  if (values instanceof Int32Array) return values;
  const packed = packIntegers(values, at);
  return packed instanceof Int32Array ? packed : at.failWith("a list of 32-bit integers", "larger ones");
}

function packLongIntegers(values: ArrayLike<number | bigint>, at: Place): Int32Array | BigInt64Array {
  const wide = BigInt64Array.from({ length: values.length }, (_, index) => {
    const value = values[index];
    if (typeof value !== "bigint" && !Number.isSafeInteger(value)) return at.at(index).fail("a 64-bit integer", value);
    const exact = BigInt(value as number | bigint);
    return BigInt.asIntN(64, exact) === exact ? exact : at.at(index).fail("a 64-bit integer", value);
  });
  return narrowIntegers(wide);
}

/** The same integers in an `Int32Array` if all fit, else the array itself. */
export function narrowIntegers(wide: BigInt64Array): Int32Array | BigInt64Array {
  // Read as pairs of 32-bit halves (low half first), so that no value becomes a bigint.
  const halves = new Int32Array(wide.buffer, wide.byteOffset, wide.length * 2);
  const small = new Int32Array(wide.length);
  for (let index = 0; index < small.length; index += 1) {
    const low = Number(halves[2 * index]);
    if (halves[2 * index + 1] !== low >> 31) return wide;
    small[index] = low;
  }
  return small;
}

/** What {@link TensorData.sparseCsr} takes. */
export interface SparseCsrOptions {
  /** The values that are not zero, row by row. Floats make a float32 tensor, integer arrays an int64 one. */
  readonly values: Float32Array | Int32Array | BigInt64Array;
  /** Dense rows and columns. */
  readonly shape: readonly [rows: number, columns: number];
  /** See {@link SparseIndices.crowIndices}. */
  readonly crowIndices: readonly number[] | Int32Array;
  /** See {@link SparseIndices.colIndices}. */
  readonly colIndices: readonly number[] | Int32Array;
}

/** Functions on {@link TensorData}. All throw `ProtocolError` for sizes and values that do not fit. */
export const TensorData = {
  /** A tensor of floats; one-dimensional unless `shape` says otherwise. A `Float32Array` is kept, not copied. */
  float32(values: Float32Array | readonly number[], shape: readonly number[] = [values.length]): Float32TensorData {
    const data = values instanceof Float32Array ? values : Float32Array.from(values);
    const tensor: Float32TensorData = { dtype: "float32", data, shape };
    checkTensor(tensor, place);
    return tensor;
  },

  /** A tensor of integers; one-dimensional unless `shape` says otherwise. A typed array is kept, not copied. */
  int64(
    values: Int32Array | BigInt64Array | readonly (number | bigint)[],
    shape: readonly number[] = [values.length],
  ): Int64TensorData {
    const isPacked = values instanceof Int32Array || values instanceof BigInt64Array;
    const data = isPacked ? values : packIntegers(values, place.at("data"));
    const tensor: Int64TensorData = { dtype: "int64", data, shape };
    checkTensor(tensor, place);
    return tensor;
  },

  /** A sparse 2-D tensor. */
  sparseCsr({ values, shape, crowIndices, colIndices }: SparseCsrOptions): TensorData {
    const layout: TensorLayout = {
      shape,
      sparse: {
        crowIndices: packInt32(crowIndices, place.at("sparse_crow_indices")),
        colIndices: packInt32(colIndices, place.at("sparse_col_indices")),
      },
    };
    return checkTensor(
      values instanceof Float32Array
        ? { dtype: "float32", data: values, ...layout }
        : { dtype: "int64", data: values, ...layout },
      place,
    );
  },

  /**
   * The values as a flat list in row-major order; of a sparse tensor, only those stored. Throws for an integer beyond
   * 2^53, which a number cannot hold.
   */
  toNumbers({ data }: TensorData): number[] {
    return Array.from<number | bigint, number>(data, (value, index) => {
      const number = Number(value);
      const isExact = typeof value === "number" || Number.isSafeInteger(number);
      return isExact ? number : place.at("data").at(index).fail("an integer of at most 2^53", value);
    });
  },
};
