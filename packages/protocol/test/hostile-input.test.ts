import {
  CreateSessionRequest,
  ProtocolError,
  SampleRequest,
  decodeForwardBackwardOutput,
  decodeForwardBackwardRequest,
  decodeSampleResponse,
  encodeForwardBackwardOutput,
  encodeForwardBackwardRequest,
  encodeSampleResponse,
} from "@tinkex/protocol";
import type { ForwardBackwardRequest } from "@tinkex/protocol";
import * as fc from "fast-check";
import { describe, test } from "vitest";
import { jsonMessages, protobufMessages } from "./support/arbitraries.ts";
import { thrownBy } from "./support/thrown.ts";

/** The error that should not have been: any but a ProtocolError, or one that quotes a whole payload. */
function strayError(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    if (!ProtocolError.isInstance(error) || error.message.length > 2000) return error;
  }
  return undefined;
}

const protobuf = [
  {
    name: "ForwardBackwardRequest",
    decode: decodeForwardBackwardRequest,
    encode: encodeForwardBackwardRequest,
    messages: protobufMessages.request,
    bodies: protobufMessages.request.map(encodeForwardBackwardRequest),
  },
  {
    name: "ForwardBackwardOutput",
    decode: decodeForwardBackwardOutput,
    encode: encodeForwardBackwardOutput,
    messages: protobufMessages.output,
    bodies: protobufMessages.output.map(encodeForwardBackwardOutput),
  },
  {
    name: "SampleResponse",
    decode: decodeSampleResponse,
    encode: encodeSampleResponse,
    messages: protobufMessages.sample,
    bodies: protobufMessages.sample.map(encodeSampleResponse),
  },
];

/** Places, as fractions of the length, and what to put there. */
const edits = fc.array(fc.tuple(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), fc.nat({ max: 255 })), {
  minLength: 1,
  maxLength: 4,
});

describe("a protobuf body that is not one gives a ProtocolError or a value, nothing else", () => {
  test.for(protobuf)("$name: arbitrary bytes", ({ decode }, { expect }) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(strayError(() => decode(bytes))).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });

  test.for(protobuf)("$name: changed bytes", ({ decode, bodies }, { expect }) => {
    fc.assert(
      fc.property(bodies, edits, (body, changes) => {
        const changed = body.slice();
        for (const [place, byte] of changes) changed[Math.floor(place * changed.length)] = byte;
        expect(strayError(() => decode(changed))).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });

  test.for(protobuf)("$name: cut short", ({ decode, bodies }, { expect }) => {
    fc.assert(
      fc.property(bodies, fc.double({ min: 0, max: 1, noNaN: true }), (body, part) => {
        expect(strayError(() => decode(body.subarray(0, Math.floor(part * body.length))))).toBeUndefined();
      }),
      { numRuns: 150 },
    );
  });

  test.for(protobuf)("$name: no bytes at all", ({ decode, name }, { expect }) => {
    const error = thrownBy(() => decode("abc" as unknown as Uint8Array));
    expect([error.messageKind, error.expected]).toEqual([name, "a Uint8Array"]);
  });

  test.for(protobuf)("$name: a group nested a hundred thousand deep", ({ decode }, { expect }) => {
    const deep = new Uint8Array(100_000).fill((15 << 3) | 3);
    expect(thrownBy(() => decode(deep)).expected).toBe("a protobuf body");
  });

  test.for(protobuf)("$name: a field that claims two gigabytes", ({ decode }, { expect }) => {
    expect(thrownBy(() => decode(Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x07))).found).toContain("do not parse");
  });
});

const weird = fc.constantFrom<unknown>(
  null,
  true,
  -1,
  1.5,
  1e300,
  2 ** 53,
  "",
  "x".repeat(5000),
  "__proto__",
  [],
  [[[]]],
  [null],
  {},
  { type: "image" },
  { __proto__: null },
);

/** The value with one of its parts, chosen by `path`, replaced or removed. */
function damage(value: unknown, path: readonly number[], replacement: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined || typeof value !== "object" || value === null) return replacement;
  const keys = Object.keys(value);
  const key = keys[step % (keys.length + 1)];
  if (key === undefined) return replacement;
  const copy: Record<string, unknown> = Array.isArray(value) ? ([...value] as never) : { ...value };
  if (rest.length === 0 && step % 5 === 0) delete copy[key];
  else copy[key] = damage(copy[key], rest, replacement);
  return copy;
}

const paths = fc.array(fc.nat(), { minLength: 1, maxLength: 5 });
const anything = fc.anything({ withBigInt: true, withDate: true, withTypedArray: true, withSparseArray: true });

describe("JSON that is not the message gives a ProtocolError or a value, nothing else", () => {
  test.for(jsonMessages)("$codec.name: damaged", ({ codec, messages }, { expect }) => {
    fc.assert(
      fc.property(messages, paths, weird, (message, path, replacement) => {
        const json = JSON.parse(codec.encode(message)) as unknown;
        const text = JSON.stringify(damage(json, path, replacement));
        expect(strayError(() => codec.decode(text))).toBeUndefined();
      }),
      { numRuns: 50 },
    );
  });

  test.for(jsonMessages)("$codec.name: cut short", ({ codec, messages }, { expect }) => {
    fc.assert(
      fc.property(messages, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (message, part) => {
        const json = codec.encode(message);
        const error = thrownBy(() => codec.decode(json.slice(0, Math.floor(part * json.length))));
        expect(error.messageKind).toBe(codec.name);
      }),
      { numRuns: 20 },
    );
  });

  test.for(jsonMessages)("$codec.name: anything at all, in both directions", ({ codec, messages }, { expect }) => {
    fc.assert(
      fc.property(anything, (value) => {
        expect(strayError(() => codec.decode(value))).toBeUndefined();
        expect(strayError(() => codec.encode(value))).toBeUndefined();
      }),
      { numRuns: 50 },
    );
    fc.assert(
      fc.property(messages, paths, fc.oneof(weird, anything), (message, path, replacement) => {
        expect(strayError(() => codec.encode(damage(message, path, replacement)))).toBeUndefined();
      }),
      { numRuns: 50 },
    );
  });

  test.for(["[", '{"a":', "0"])("a million times %s", (open, { expect }) => {
    expect(strayError(() => CreateSessionRequest.decode(open.repeat(1_000_000)))).toBeUndefined();
  });

  test("nesting that exhausts the stack of the lossless parser", ({ expect }) => {
    const deep = `{"a":${"[".repeat(200_000)}12345678901234567890${"]".repeat(200_000)}}`;
    expect(thrownBy(() => SampleRequest.decode(deep)).found).toBe("nesting too deep");
  });

  test("metadata nested deeper than anyone needs", ({ expect }) => {
    const deep = `{"sdk_version":"1","user_metadata":${'{"a":'.repeat(200)}1${"}".repeat(200)}}`;
    expect(thrownBy(() => CreateSessionRequest.decode(deep)).message).toContain("nested at most 100 levels");
  });

  test("bytes that are not UTF-8", ({ expect }) => {
    expect(thrownBy(() => SampleRequest.decode(Uint8Array.of(0x22, 0xff, 0x22))).expected).toBe("UTF-8 text");
  });
});

describe("a message that cannot be written gives a ProtocolError", () => {
  test.for(protobuf)("$name", ({ encode, messages }, { expect }) => {
    fc.assert(
      fc.property(messages as fc.Arbitrary<unknown>, paths, fc.oneof(weird, anything), (message, path, replacement) => {
        expect(strayError(() => encode(damage(message, path, replacement) as never))).toBeUndefined();
      }),
      { numRuns: 300 },
    );
  });

  test.for<[string, object, string]>([
    ["a NaN setting", { lossFnConfig: { clip_low_threshold: Number.NaN } }, "loss_fn_config.clip_low_threshold"],
    ["an unknown loss", { lossFn: "hinge" }, "loss_fn"],
    ["a negative seq_id", { seqId: -1 }, "seq_id"],
    ["a seq_id beyond 32 bits", { seqId: 2 ** 31 }, ""],
    [
      "an image asset pointer",
      {
        data: [
          {
            modelInput: { chunks: [{ type: "image_asset_pointer", format: "png", location: "l" }] },
            lossFnInputs: {},
          },
        ],
      },
      "data[0].model_input[0]",
    ],
    [
      "a token beyond 32 bits",
      { data: [{ modelInput: { chunks: [{ type: "encoded_text", tokens: [1, 2 ** 31] }] }, lossFnInputs: {} }] },
      "data[0].model_input[0].tokens",
    ],
  ])("%s", ([, change, path], { expect }) => {
    const request = { modelId: "m", seqId: 1, data: [], lossFn: "ppo", forwardOnly: false, ...change };
    expect(thrownBy(() => encodeForwardBackwardRequest(request as ForwardBackwardRequest)).path).toBe(path);
  });
});
