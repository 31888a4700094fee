import { packIntegers } from "../data/tensor-data.ts";
import { integerToJson } from "./json-text.ts";
import { asArray } from "./shape.ts";
import type { Shape } from "./shape.ts";

function isInt32(value: unknown): value is number {
  return typeof value === "number" && (value | 0) === value;
}

/** Token ids: any list of 32-bit integers; read into an `Int32Array`. */
export const tokens: Shape<readonly number[] | Int32Array> = {
  encode(value, place) {
    if (value instanceof Int32Array) return Array.from(value);
    const wrong = asArray(value, place).findIndex((token) => !isInt32(token));
    return wrong === -1 ? value : place.at(wrong).fail("a 32-bit integer", value[wrong]);
  },
  decode(json, place) {
    const list = asArray(json, place);
    const ids = new Int32Array(list.length);
    for (const [index, token] of list.entries()) {
      ids[index] = isInt32(token) ? token : place.at(index).fail("a 32-bit integer", token);
    }
    return ids;
  },
};

/** Token ids that are always held in an `Int32Array`. */
export const tokenArray: Shape<Int32Array> = tokens as Shape<Int32Array>;

/** 64-bit integers, in an `Int32Array` if all fit. */
export const integers: Shape<Int32Array | BigInt64Array> = {
  encode: (value) => Array.from<number | bigint, unknown>(value, integerToJson),
  decode: (json, place) => packIntegers(asArray(json, place) as readonly number[], place),
};

const floatList = (nan: null | undefined): Shape<Float32Array> => ({
  encode: (values, place) =>
    values instanceof Float32Array
      ? Array.from(values, (value, index) => {
          if (nan === null && Number.isNaN(value)) return null;
          return Number.isFinite(value) ? value : place.at(index).fail("a finite number, as JSON has no other", value);
        })
      : place.fail("a Float32Array", values),
  decode: (json, place) =>
    Float32Array.from(asArray(json, place), (value, index) => {
      if (nan === null && value === null) return Number.NaN;
      const isNumber = typeof value === "number" || typeof value === "bigint";
      return isNumber && Number.isFinite(Math.fround(Number(value)))
        ? Number(value)
        : place.at(index).fail("a number in the range of a 32-bit float", value);
    }),
});

/** Finite floats. */
export const floats: Shape<Float32Array> = floatList(undefined);

/** Finite floats, with NaN written as null. */
export const floatsOrNull: Shape<Float32Array> = floatList(null);
