import { AuthTokenResponse, CreateSessionRequest, ProtocolError, SampleRequest } from "@tinkex/protocol";
import { describe, test } from "vitest";
import { thrownBy } from "./support/thrown.ts";

describe("an error", () => {
  test("says which message, where, what was expected and what was found", ({ expect }) => {
    const json = '{"prompt":{"chunks":[{"type":"encoded_text","tokens":[1,"2"]}]}}';
    const error = thrownBy(() => SampleRequest.decode(json));
    expect(error.messageKind).toBe("SampleRequest");
    expect(error.path).toBe("prompt.chunks[0].tokens[1]");
    expect(error.expected).toBe("a 32-bit integer");
    expect(error.found).toBe('"2"');
    expect(error.message).toBe('SampleRequest: prompt.chunks[0].tokens[1] must be a 32-bit integer, found "2"');
  });

  test("keeps what the parser said as its cause", ({ expect }) => {
    expect(thrownBy(() => AuthTokenResponse.decode("{")).cause).toBeInstanceOf(SyntaxError);
  });

  test("never quotes a whole payload, be it a value or a key", ({ expect }) => {
    const long = "x".repeat(100_000);
    const value = thrownBy(() => SampleRequest.decode({ prompt: long }));
    expect(value.found).toContain("100000 characters");
    const key = thrownBy(() =>
      CreateSessionRequest.decode({ sdk_version: "1", user_metadata: { [long]: Number.NaN } }),
    );
    expect(value.message.length).toBeLessThan(200);
    expect(key.message.length).toBeLessThan(200);
  });

  test("is recognised across copies of the package, and nothing else is", ({ expect }) => {
    const fromAnotherCopy = Object.assign(new Error("x"), { [Symbol.for("tinkex.protocolError")]: true });
    expect(ProtocolError.isInstance(fromAnotherCopy)).toBe(true);
    expect([new Error("x"), null, undefined, "ProtocolError", {}].some(ProtocolError.isInstance)).toBe(false);
  });
});
