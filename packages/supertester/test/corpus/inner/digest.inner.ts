import { test } from "vitest";
import { corpusDigest } from "../digest.ts";

test("the corpus runs as it did elsewhere", async ({ expect }) => {
  expect(await corpusDigest(Number(process.env["DIGEST_SEEDS"]))).toBe(process.env["DIGEST"]);
});
