import { ProtocolError, TinkerPath } from "@tinkex/protocol";
import { describe, test } from "vitest";
import { thrownBy } from "./support/thrown.ts";

test.for([
  ["tinker://s:train:0/weights/0001", "s:train:0", "weights", "0001", "weights/0001"],
  ["tinker://s:train:0/sampler_weights/my run", "s:train:0", "sampler_weights", "my run", "sampler_weights/my run"],
  ["tinker://model_1/latest", "model_1", undefined, "latest", "latest"],
] as const)("%s is read and written back", ([text, trainingRunId, kind, name, checkpointId], { expect }) => {
  const path = TinkerPath.parse(text);
  expect(path).toEqual({ trainingRunId, kind, name });
  expect(TinkerPath.format(path)).toBe(text);
  expect(TinkerPath.checkpointId(path)).toBe(checkpointId);
});

describe("anything else is refused, by name", () => {
  test.for([
    "",
    "tinker:/a/weights/b",
    "tinker://",
    "tinker://run",
    "tinker://run/",
    "tinker:///weights/a",
    "tinker://run//a",
    "tinker://run/weights/",
    "tinker://run/optimizer/a",
    "tinker://run/weights/a/b",
    `tinker://${"x".repeat(10_000)}`,
  ])("%s", (text, { expect }) => {
    const error = thrownBy(() => TinkerPath.parse(text));
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error.messageKind).toBe("TinkerPath");
    expect(error.message.length).toBeLessThan(300);
  });
});
