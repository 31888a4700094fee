import { Place } from "../protocol-error.ts";
import { parseJson, printJson } from "./json-text.ts";
import { object } from "./shape.ts";
import type { Fields, Shape } from "./shape.ts";

/** Writes and reads one JSON message. Both directions throw `ProtocolError` for anything the message cannot be. */
export interface JsonCodec<T> {
  /** The message's name, as errors show it. */
  readonly name: string;
  /** JSON text. Properties that are `undefined` are left out. */
  encode(value: T): string;
  /**
   * Reads JSON text, the same as UTF-8 bytes, or a value that was parsed already (from `JSON.parse` it will have lost
   * the exact value of integers beyond 2^53).
   */
  decode(body: unknown): T;
}

function toJson(body: unknown, place: Place): unknown {
  if (typeof body === "string") return parseJson(body, place);
  if (!(body instanceof Uint8Array)) return body;
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(body);
  } catch (cause) {
    return place.failWith("UTF-8 text", "bytes that are not", cause);
  }
  return parseJson(text, place);
}

/** A codec for a message with this shape. */
export function jsonCodec<T>(name: string, shape: Shape<T>): JsonCodec<T> {
  const place = Place.root(name);
  return {
    name,
    encode: (value) => printJson(shape.encode(value, place)),
    decode: (body) => shape.decode(toJson(body, place), place),
  };
}

/** A request: unknown fields are an error, and `tag` is sent as its `type`. */
export const request = <T extends object>(name: string, fields: Fields<T>, tag?: string): JsonCodec<T> =>
  jsonCodec(name, object(fields, { unknownFields: "reject", ...(tag !== undefined && { tag }) }));

/** A response: fields we do not know are ignored. */
export const response = <T extends object>(name: string, fields: Fields<T>): JsonCodec<T> =>
  jsonCodec(name, object(fields, { unknownFields: "ignore" }));
