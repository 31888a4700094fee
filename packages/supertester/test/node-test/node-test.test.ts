import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "vitest";

test("node:test runs a concurrent suite in which every test is isolated", async ({ expect }) => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const args = ["--test", "--test-force-exit", "--test-reporter=tap", join(import.meta.dirname, "inner.suite.ts")];
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, args, { env }, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
  const outcome = [...output.matchAll(/^ {4}(not )?ok \d+ - (.*?)(?: # (SKIP|TODO))?$/gm)].map(
    ([, not = "", name, directive = ""]) => `${not}ok ${name}${directive}`,
  );
  expect(outcome.filter((line) => /passes \d+$/.test(line)).filter((line) => line.startsWith("ok"))).toHaveLength(20);
  expect(outcome.filter((line) => line.startsWith("not"))).toEqual([
    "not ok fails with its log",
    "not ok leaks an interval",
  ]);
  expect(outcome).toContain("ok has options");
  expect(outcome).toContain("ok is skippedSKIP");
  expect(outcome).toContain("ok is to doTODO");
  expect(output).toMatch(/# log of "fails with its log":\n\s*# console warn: the line before the failure/);
  expect(output).toMatch(/left something behind:\n\s+interval created at \S*inner\.suite\.ts:34:5/);
  expect(output).not.toContain("own line");
});
