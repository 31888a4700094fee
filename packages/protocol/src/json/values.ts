import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import type { Int64, JsonObject } from "../messages/common.ts";
import type { Place } from "../protocol-error.ts";
import { integerToJson } from "./json-text.ts";
import { asRecord, isRecord, same } from "./shape.ts";
import type { Shape } from "./shape.ts";

/** A string. */
export const text: Shape<string> = same("a string", (value): value is string => typeof value === "string");

/** A boolean. */
export const flag: Shape<boolean> = same("true or false", (value): value is boolean => typeof value === "boolean");

/** JSON has no NaN and no infinities. */
export const number: Shape<number> = {
  encode: (value, place) => (Number.isFinite(value) ? value : place.fail("a finite number", value)),
  decode: (json, place) =>
    // A double such as 1e18 is printed like an integer, and then parsed like one.
    Number.isFinite(json) || typeof json === "bigint" ? Number(json) : place.fail("a finite number", json),
};

/** An integer that a number holds exactly. */
export const integer: Shape<number> = same("an integer of at most 2^53", (value): value is number =>
  Number.isSafeInteger(value),
);

/** An integer that is not negative. */
export const count: Shape<number> = same(
  "an integer of at least 0",
  (value): value is number => Number.isSafeInteger(value) && (value as number) >= 0,
);

/** One of a few strings. */
export function oneOf<const T extends string>(...values: readonly T[]): Shape<T> {
  return same(values.map((value) => JSON.stringify(value)).join(" or "), (value): value is T =>
    (values as readonly unknown[]).includes(value),
  );
}

/** Formats of images. */
export const imageFormat: Shape<"png" | "jpeg"> = oneOf("png", "jpeg");

const smallest = -(2n ** 63n);
const largest = 2n ** 64n - 1n; // seeds may be unsigned

function normalInt64(value: unknown, place: Place): Int64 {
  if (Number.isSafeInteger(value)) return value as number;
  if (typeof value !== "bigint" || value < smallest || value > largest) return place.fail("a 64-bit integer", value);
  const small = Number(value);
  return Number.isSafeInteger(small) ? small : value;
}

/** A 64-bit integer: a `number` while safe, else a `bigint`. */
export const int64: Shape<Int64> = {
  encode: (value, place) => integerToJson(normalInt64(value, place)),
  decode: normalInt64,
};

/** Bytes, as base64 text. */
export const bytes: Shape<Uint8Array> = {
  encode: (value, place) => (value instanceof Uint8Array ? base64Encode(value) : place.fail("a Uint8Array", value)),
  decode(json, place) {
    if (typeof json !== "string") return place.fail("base64 text", json);
    try {
      return base64Decode(json);
    } catch (cause) {
      return place.failWith("base64 text", "text that is not", cause);
    }
  },
};

const dateText = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))? ?(Z|z|[+-]\d\d:?\d\d)?$/;
/** Numbers up to this are seconds since 1970, larger ones milliseconds: the rule of Python's pydantic. */
const largestSeconds = 2e10;

/** A point in time: written as ISO 8601 in UTC; read from ISO 8601 (no zone means UTC) or Unix time. */
export const timestamp: Shape<Date> = {
  encode: (value, place) =>
    value instanceof Date && value.getUTCFullYear() >= 0 && value.getUTCFullYear() <= 9999
      ? value.toISOString()
      : place.fail("a Date of the years 0 to 9999", value),
  decode(json, place) {
    let date: Date | undefined;
    if (typeof json === "number") date = new Date(Math.abs(json) > largestSeconds ? json : json * 1000);
    if (typeof json === "string") {
      const [, day, time = "00:00:00", zone = "Z"] = dateText.exec(json) ?? [];
      if (day !== undefined) date = new Date(`${day}T${time}${zone.toUpperCase()}`);
    }
    return date === undefined || Number.isNaN(date.getTime()) ? place.fail("a date and time", json) : date;
  },
};

const deepestJson = 100;

function mapJson(value: unknown, place: Place, bigint: (value: bigint) => unknown): unknown {
  if (place.depth > deepestJson) return place.failWith(`nested at most ${deepestJson} levels`, "deeper nesting");
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return number.encode(value, place);
  if (typeof value === "bigint") return bigint(value);
  if (Array.isArray(value)) return value.map((item, index) => mapJson(item, place.at(index), bigint));
  if (!isRecord(value)) return place.fail("a JSON value", value);
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== undefined)
      .map(([key, item]) => [key, mapJson(item, place.at(key), bigint)]),
  );
}

/** Any JSON object, kept as it is. */
export const jsonObject: Shape<JsonObject> = {
  encode: (value, place) => mapJson(asRecord(value, place), place, integerToJson),
  decode: (value, place) => mapJson(asRecord(value, place), place, (bigint) => bigint) as JsonObject,
};

/** Any JSON value, kept as it is. */
export const json: Shape<unknown> = {
  encode: (value, place) => mapJson(value, place, integerToJson),
  decode: (value, place) => mapJson(value, place, (bigint) => bigint),
};
