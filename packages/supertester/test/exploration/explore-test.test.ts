import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe } from "vitest";
import { test } from "../../src/vitest/explore-test.ts";

const inner = join(import.meta.dirname, "inner");
const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");

/** Runs the test files of the inner folder in a vitest of their own. */
function runInner(env: Record<string, string>): Promise<string> {
  const options = { cwd: inner, env: { ...process.env, NO_COLOR: "1", ...env } };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [vitest, "run", "--config", join(inner, "vitest.config.ts")],
      options,
      (_, stdout, stderr) => {
        resolve(stdout + stderr);
      },
    );
  });
}

describe("test.explore", () => {
  test.explore("runs its body under every schedule of a small program", async (sim, { expect }) => {
    let balance = 0;
    const deposit = () => sim.io("deposit", () => void balance++);
    await Promise.all([sim.spawn("A", deposit), sim.spawn("B", deposit)]);
    expect(balance).toBe(2);
  });

  test.explore("takes options", { strategy: "delays", delays: 1, latency: [5, 5] }, async (sim, { expect }) => {
    await sim.io("one");
    expect(sim.now).toBe(5);
  });

  test("fails its test with the report, attaches the result, and replays by the command it prints", async ({
    expect,
  }) => {
    const output = await runInner({});
    expect(output).toContain('"A: write" delayed past "B: read"');
    expect(output).toContain('attached to "a racy program": failed assertion');
    expect(output).toContain('attached to "a correct program": passed');
    const token = /SUPERTESTER_REPLAY=(\S+) npx vitest run racy\.inner\.ts/.exec(output)?.[1] ?? "";
    const replayed = await runInner({ SUPERTESTER_REPLAY: token });
    expect(replayed).toContain("balance is 1");
    expect(replayed).toContain("(found in schedule 1)");
    expect(replayed).toContain('attached to "a correct program": passed');
  });

  test("the environment sets the budget", async ({ expect }) => {
    expect(await runInner({ SUPERTESTER_RUNS: "1" })).toContain("2 passed");
    expect(await runInner({ SUPERTESTER_RUNS: "none" })).toContain("runs must be greater than 0");
  });
});
