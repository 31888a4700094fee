import { CheckpointArchiveUrlResponse } from "@tinkex/protocol";
import { describe, test } from "vitest";
import { thrownBy } from "./support/thrown.ts";

const read = (expires: unknown): string =>
  CheckpointArchiveUrlResponse.decode({ url: "u", expires }).expires.toISOString();

describe("times are read in every form that Python servers write", () => {
  test.for([
    ["2026-05-27T20:00:00Z", "2026-05-27T20:00:00.000Z"],
    ["2026-05-27 20:00:00+00:00", "2026-05-27T20:00:00.000Z"],
    ["2026-05-27T20:00:00.123456", "2026-05-27T20:00:00.123Z"],
    ["2026-05-27T22:00:00+0200", "2026-05-27T20:00:00.000Z"],
    ["2026-05-27t20:00z", "2026-05-27T20:00:00.000Z"],
    ["2026-05-27", "2026-05-27T00:00:00.000Z"],
    [1_779_912_000, "2026-05-27T20:00:00.000Z"],
    [1_779_912_000.5, "2026-05-27T20:00:00.500Z"],
    [1_779_912_000_000, "2026-05-27T20:00:00.000Z"],
  ])("%s", ([written, iso], { expect }) => {
    expect(read(written)).toBe(iso);
  });

  test.for(["", "soon", "2026-13-01", "2026-01-01T25:00:00Z", "01/15/2024", true, 1e300, "2026-01-01T00:00:00Zjunk"])(
    "%s is none",
    (written, { expect }) => {
      expect(thrownBy(() => read(written)).path).toBe("expires");
    },
  );
});

test.for([new Date(Number.NaN), new Date("+010000-01-01"), "2026-01-01"])(
  "%s cannot be written",
  (expires, { expect }) => {
    const message = { url: "u", expires: expires as Date };
    expect(thrownBy(() => CheckpointArchiveUrlResponse.encode(message)).path).toBe("expires");
  },
);
