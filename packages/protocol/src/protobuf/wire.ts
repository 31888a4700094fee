import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Place } from "../protocol-error.ts";

/** Serialises a message. */
export function writeMessage<Desc extends DescMessage>(
  schema: Desc,
  message: MessageInitShape<Desc>,
  place: Place,
): Uint8Array {
  try {
    return toBinary(schema, create(schema, message));
  } catch (cause) {
    return place.failWith("a message that protobuf can hold", reason(cause), cause);
  }
}

/** Parses a message. Unknown fields are ignored. The message's byte fields may be views into `body`. */
export function readMessage<Desc extends DescMessage>(
  schema: Desc,
  body: Uint8Array,
  place: Place,
): MessageShape<Desc> {
  if (!(body instanceof Uint8Array)) return place.fail("a Uint8Array", body);
  try {
    return fromBinary(schema, body, { readUnknownFields: false });
  } catch (cause) {
    return place.failWith("a protobuf body", `${body.byteLength} bytes that do not parse: ${reason(cause)}`, cause);
  }
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message.slice(0, 100) : "unknown";
}
