import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { test } from "vitest";
import { digest } from "./event-hashes.ts";

test("the same seed gives the same events and values: alone, beside eight others, with either driver, in plain Node", async ({
  expect,
}) => {
  const runs = 12;
  const alone = await digest(runs);
  const beside = await Promise.all(
    Array.from({ length: 8 }, (_, index) => digest(runs, index % 2 === 0 ? "auto" : "turn")),
  );
  const script = new URL("event-hashes.ts", import.meta.url);
  const { stdout } = await promisify(execFile)(process.execPath, ["--no-warnings", script.pathname, String(runs)]);
  expect([...beside, stdout.trim()]).toEqual(Array.from({ length: 9 }, () => alone));
  expect(alone.endsWith(` ${runs}`)).toBe(true);
});
