import type { Place } from "../protocol-error.ts";

/** Source text access and raw JSON: in Node 22.15 and newer, but not in TypeScript's library for es2024. */
interface LosslessJson {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
}

const losslessJson = JSON as unknown as LosslessJson;

/** More digits than any 64-bit integer has; a longer number stays a (rounded) number, which integer fields reject. */
const integerSource = /^-?\d{1,20}$/;
const hasLongInteger = /\d{16}/;

function keepLongIntegers(_key: string, value: unknown, context: { readonly source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  return context.source !== undefined && integerSource.test(context.source) ? BigInt(context.source) : value;
}

/** Parses JSON. A whole number outside the safe range becomes a `bigint` and loses nothing. */
export function parseJson(text: string, place: Place): unknown {
  try {
    // The reviver visits every value, so it runs only when some number may need it.
    return hasLongInteger.test(text) ? losslessJson.parse(text, keepLongIntegers) : JSON.parse(text);
  } catch (cause) {
    // A SyntaxError, or a RangeError when the nesting exhausts the stack of the reviver.
    return place.failWith(
      "JSON",
      cause instanceof SyntaxError ? "text that does not parse" : "nesting too deep",
      cause,
    );
  }
}

/** Prints a value that shapes have checked. */
export function printJson(value: unknown): string {
  return JSON.stringify(value);
}

/** An integer as `JSON.stringify` writes it in full. */
export const integerToJson = (value: number | bigint): unknown =>
  typeof value === "bigint" ? losslessJson.rawJSON(value.toString()) : value;
