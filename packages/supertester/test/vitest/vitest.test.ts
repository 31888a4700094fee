import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, test } from "vitest";
import { isolate } from "../../src/index.ts";

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly title: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** Runs the suite in `inner` with the vitest that runs us. */
async function runInner(
  ...flags: readonly string[]
): Promise<{ outcome: Map<string, { status: string; message: string }>; output: string }> {
  const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");
  return isolate({ leaks: "off" }, async (scope) => {
    const report = join(await scope.tmpDir(), "report.json");
    const args = [vitest, "run", "--root", join(import.meta.dirname, "inner"), "--reporter=default", "--reporter=json"];
    const env = { ...process.env, NO_COLOR: "1", VITEST: undefined, TEST: undefined };
    const output = await new Promise<string>((resolve) => {
      execFile(
        process.execPath,
        [...args, `--outputFile.json=${report}`, ...flags],
        { env },
        (_error, stdout, stderr) => resolve(stdout + stderr),
      );
    });
    const { testResults } = JSON.parse(await readFile(report, "utf8")) as Report;
    const outcome = testResults
      .flatMap(({ assertionResults }) => assertionResults)
      .map(({ title, status, failureMessages }) => [title, { status, message: failureMessages.join("\n") }] as const);
    return { outcome: new Map(outcome), output };
  });
}

/** One run of everything, at which several tests look. */
let first: ReturnType<typeof runInner> | undefined;
const whole = () => (first ??= runInner());

describe("one import in a setup file, and the whole suite runs concurrently", () => {
  test("twenty concurrent tests, their hooks and their onTestFinished see only their own", async ({ expect }) => {
    const { outcome } = await whole();
    const tests = [...outcome].filter(([title]) => /^passes \d+$/.test(title));
    expect(tests.map(([, { status, message }]) => [status, message])).toEqual(tests.map(() => ["passed", ""]));
    expect(tests).toHaveLength(20);
  });

  test("options of the setup file and of a single test hold", async ({ expect }) => {
    const { outcome } = await whole();
    expect(outcome.get("configured channels reach the fixture")).toEqual({ status: "passed", message: "" });
    expect(outcome.get("a clock asked for in the test's meta")).toEqual({ status: "passed", message: "" });
  });

  test("a failing test is printed with its own log, hooks included, and with nothing else", async ({ expect }) => {
    const { outcome, output } = await whole();
    expect(outcome.get("fails with its log")?.status).toBe("failed");
    const [, shown = ""] = output.split("FAIL  outcome.inner.ts > fails with its log");
    const [own = ""] = shown.split("⎯⎯⎯⎯⎯⎯");
    expect(own).toMatch(/console info: before\n.*console warn: the line before the failure\n.*console info: after\n/s);
    expect(own).not.toContain("own line");
    expect(output).not.toContain("own line");
  });

  test("a leak fails its test and names the line, mapped to the source", async ({ expect }) => {
    const { outcome } = await whole();
    const leak = outcome.get("leaks an interval");
    expect(leak?.status).toBe("failed");
    expect(leak?.message).toMatch(/left something behind:\n {2}interval created at \S*outcome\.inner\.ts:55:3/);
  });

  test("a teardown that hangs fails its test with the resource's name and line", async ({ expect }) => {
    const { outcome } = await whole();
    expect(outcome.get("hangs in its teardown")?.message).toMatch(
      /closeDatabase \(created at \S*outcome\.inner\.ts:59:18\): cleanup hung and was cut/,
    );
  });

  test("fake timers do not stop the limit of a teardown", async ({ expect }) => {
    const { outcome } = await whole();
    expect(outcome.get("hangs in its teardown with timers faked")?.message).toMatch(
      /deferred cleanup .*hung and was cut/,
    );
  });

  test("a test that is cut by its time limit is told to stop by its scope's signal, and still owns what it does", async ({
    expect,
  }) => {
    const { outcome, output } = await whole();
    expect(outcome.get("is cut by its time limit")?.message).toMatch(/timed out in 30ms/);
    expect(output).toMatch(/console info: waiting\n.*console info: after\nconsole info: went on in the teardown\n/);
  });

  test("fake timers are refused beside other tests, and work in a test that runs alone", async ({ expect }) => {
    const { outcome } = await whole();
    expect(outcome.get("fakes timers beside others")?.message).toMatch(
      /vi\.useFakeTimers in "fakes timers beside others" would fake the time of every test/,
    );
    expect(outcome.get("fakes the date beside others")?.message).toMatch(/vi\.setSystemTime/);
    expect(outcome.get("may fake timers")).toEqual({ status: "passed", message: "" });
  });

  test("each attempt of a retried test has a scope of its own", async ({ expect }) => {
    const { outcome } = await whole();
    expect(outcome.get("passes at the second attempt")?.status).toBe("passed");
  });
});

describe("other ways to run a suite", () => {
  for (const flags of [["--no-isolate", "--maxWorkers=1"], ["--pool=threads"]]) {
    test(`${flags.join(" ")} isolates every file alike`, async ({ expect }) => {
      const { outcome } = await runInner("-t", "passes 1|a second file", ...flags);
      const ran = [...outcome.values()].filter(({ status }) => status === "passed" || status === "failed");
      expect(ran.map(({ status, message }) => [status, message])).toEqual(ran.map(() => ["passed", ""]));
      expect(ran.length).toBeGreaterThan(10);
    });
  }
});
