import { ProtocolError } from "@tinkex/protocol";
import type { JsonCodec } from "@tinkex/protocol";
import { InvalidResponseError } from "../errors.ts";
import type { HttpCall } from "./transport.ts";

/** The wire version that we speak; servers use it to recognise clients that are too old. */
export const protocolVersion = "0.25.0";

/** A POST with a JSON body. */
export function jsonCall<T>(path: string, codec: JsonCodec<T>, value: T): HttpCall {
  return { method: "POST", path, body: { content: codec.encode(value), type: "application/json" } };
}

/** @throws {InvalidResponseError} naming the field that is wrong */
export function decodeAnswer<T>(codec: JsonCodec<T>, answer: { readonly body: Uint8Array }): T {
  return reading(codec.name, () => codec.decode(answer.body));
}

/** Turns a body that does not follow the protocol into an error of ours. */
export function reading<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new InvalidResponseError(`The server's ${what} cannot be read: ${error.message}`, { cause: error });
  }
}
