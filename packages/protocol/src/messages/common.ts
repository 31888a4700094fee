/** A 64-bit integer: a `number` while it is safe, a `bigint` beyond 2^53. Both forms are accepted everywhere. */
export type Int64 = number | bigint;

/** Any JSON value; a whole number beyond 2^53 is a `bigint`. */
export type JsonValue = null | boolean | number | bigint | string | readonly JsonValue[] | JsonObject;

/** A JSON object whose keys are data: they are never renamed. */
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** Whether a listing shows what the caller owns (the default) or everything the caller can read. */
export type AccessScope = "owned" | "accessible";

/** Where a page of a listing stands. */
export interface Cursor {
  readonly offset: number;
  readonly limit: number;
  readonly totalCount: number;
}
