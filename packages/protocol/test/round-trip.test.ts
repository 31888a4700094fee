import * as protocol from "@tinkex/protocol";
import * as fc from "fast-check";
import { describe, test } from "vitest";
import { jsonMessages, protobufMessages } from "./support/arbitraries.ts";

const isCodec = (value: unknown): value is protocol.JsonCodec<unknown> =>
  typeof value === "object" && value !== null && "encode" in value && "decode" in value && "name" in value;

test("every codec of the front door is tried here and in the hostile tests", ({ expect }) => {
  const exported = Object.values(protocol).filter(isCodec);
  expect(new Set(jsonMessages.map(({ codec }) => codec))).toEqual(new Set(exported));
});

describe("what is written in JSON reads back the same", () => {
  test.for(jsonMessages)("$codec.name", ({ codec, messages }, { expect }) => {
    fc.assert(
      fc.property(messages, (message) => {
        const json = codec.encode(message);
        expect(codec.decode(json)).toEqual(message);
        expect(codec.decode(new TextEncoder().encode(json))).toEqual(message);
      }),
      { numRuns: 40 },
    );
  });
});

describe("what is written in protobuf reads back the same", () => {
  test("forward/backward requests", ({ expect }) => {
    fc.assert(
      fc.property(protobufMessages.request, (message) => {
        expect(protocol.decodeForwardBackwardRequest(protocol.encodeForwardBackwardRequest(message))).toEqual(message);
      }),
      { numRuns: 100 },
    );
  });

  test("forward/backward outputs", ({ expect }) => {
    fc.assert(
      fc.property(protobufMessages.output, (message) => {
        expect(protocol.decodeForwardBackwardOutput(protocol.encodeForwardBackwardOutput(message))).toEqual(message);
      }),
      { numRuns: 100 },
    );
  });

  test("sample responses", ({ expect }) => {
    fc.assert(
      fc.property(protobufMessages.sample, (message) => {
        expect(protocol.decodeSampleResponse(protocol.encodeSampleResponse(message))).toEqual(message);
      }),
      { numRuns: 100 },
    );
  });

  test("from any place in a larger buffer, which may then be reused", ({ expect }) => {
    fc.assert(
      fc.property(protobufMessages.request, fc.nat({ max: 9 }), (message, offset) => {
        const body = protocol.encodeForwardBackwardRequest(message);
        const buffer = Buffer.alloc(body.length + offset);
        buffer.set(body, offset);
        const read = protocol.decodeForwardBackwardRequest(buffer.subarray(offset));
        buffer.fill(0xaa);
        expect(read).toEqual(message);
      }),
      { numRuns: 50 },
    );
  });
});
