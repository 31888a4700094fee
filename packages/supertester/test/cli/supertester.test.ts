import { execFile } from "node:child_process";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { describe, test } from "vitest";
import { Screen } from "../../src/cli/screen.ts";
import { CommandError, parseCommand } from "../../src/cli/command.ts";

const inner = join(import.meta.dirname, "inner");

interface Result {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the tool in the folder of test files that are made for it. */
function supertester(...args: string[]): Promise<Result> {
  const env = { ...process.env, NO_COLOR: "1", SUPERTESTER_RUNS: "", SUPERTESTER_MS: "" };
  const main = join(import.meta.dirname, "../../src/cli/main.ts");
  return new Promise((resolve) => {
    execFile(process.execPath, ["--no-warnings", main, ...args], { cwd: inner, env }, (error, stdout, stderr) => {
      resolve({ status: typeof error?.code === "number" ? error.code : 0, stdout, stderr });
    });
  });
}

describe("hunt and replay", () => {
  test("a hunt prints what it searched, the failure, and a token that replays it", async ({ expect }) => {
    const hunt = await supertester("hunt", "inner", "--ms", "300", "--seed", "7");
    expect(hunt.stderr).toBe("");
    expect(hunt.status).toBe(1);
    expect(hunt.stdout).toMatch(/✗ a state machine {2}assertion in schedule \d+/);
    expect(hunt.stdout).toMatch(/✓ a lease {2}\d+ schedules, \d+ different, /);
    expect(hunt.stdout).toMatch(/✓ correct.inner.ts > a correct program {2}18 schedules, .* every schedule/);
    expect(hunt.stdout).toContain('"body: payment" delayed past "body: stock"');
    const token = /SUPERTESTER_REPLAY=(\S+)/.exec(hunt.stdout)?.[1] ?? "";

    const [replayed, found, elsewhere] = await Promise.all([
      supertester("replay", token, "racy.inner.ts"),
      supertester("replay", token),
      supertester("replay", token, "correct.inner.ts"),
    ]);
    expect(replayed.status).toBe(1);
    expect(replayed.stdout).toContain("assertion: 2 labels were printed");
    expect(replayed.stdout).toContain("(found in schedule 1)");
    // Without the file it is looked for.
    expect(found).toEqual(replayed);
    expect(elsewhere.status).toBe(2);
    expect(elsewhere.stderr).toContain("belongs to none of the explorations in correct.inner.ts");
    expect(elsewhere.stderr).toContain("correct.inner.ts > a correct program");
  });

  test("tests that explore nothing, and patterns that match nothing, are errors", async ({ expect }) => {
    const [plain, none, missing] = await Promise.all([
      supertester("hunt", "plain.inner.ts", "--ms", "100"),
      supertester("hunt", "nothing-like-this", "--ms", "100"),
      supertester("hunt", "./nope.test.ts", "--ms", "100"),
    ]);
    expect([plain.status, none.status, missing.status]).toEqual([2, 2, 2]);
    expect(plain.stderr).toContain("No test that matches plain.inner.ts explores anything");
    expect(none.stderr).toContain("no test file that matches nothing-like-this");
    expect(missing.stderr).toContain(`There is no file ${join(inner, "nope.test.ts")}`);
  });
});

describe("commands", () => {
  test.for([
    [["hunt"], "Which tests?"],
    [["hunt", "x"], "Give --ms"],
    [["hunt", "x", "--ms", "soon"], 'got "soon"'],
    [["hunt", "x", "--ms", "-5"], "greater than 0|--ms"],
    [["hunt", "x", "--ms", "NaN"], "greater than 0"],
    [["replay"], "Which failure?"],
    [["replay", "st1_AAAA"], "Not a replay token"],
    [["replay", "st1_qFdD9L18wzg"], "Not a replay token"],
    [["frobnicate"], 'Unknown command "frobnicate"'],
    [["hunt", "--fast"], "Unknown option '--fast'"],
  ] as const)("%j is refused with what to do instead", ([args, message], { expect }) => {
    expect(() => parseCommand(args)).toThrow(CommandError);
    expect(() => parseCommand(args)).toThrow(new RegExp(message.replace("?", "\\?")));
  });

  test("nothing at all, and --help, print the usage", ({ expect }) => {
    expect(parseCommand([])).toEqual({ name: "help" });
    expect(parseCommand(["hunt", "--help"])).toEqual({ name: "help" });
  });
});

test("progress is one line on a terminal, and seldom a line in a log", ({ expect }) => {
  const show = (isTTY: boolean) => {
    let text = "";
    const screen = new Screen({ isTTY, columns: 20, write: (more) => (text += more) });
    screen.status("first ".repeat(10));
    screen.status("second");
    screen.print("done");
    return stripVTControlCharacters(text);
  };
  expect(show(true)).toBe("\rfirst first first …\rsecond\rdone\n");
  expect(show(false)).toBe(`${"first ".repeat(10)}\ndone\n`);
});
