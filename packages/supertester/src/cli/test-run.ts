import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { JournalEntry } from "../exploration/journal.ts";
import { CommandError } from "./command.ts";

/** A finished run of vitest. */
export interface TestRun {
  /** Everything that explorations reported, in order. */
  readonly entries: readonly JournalEntry[];
  readonly exitCode: number;
  /** What vitest printed. */
  readonly output: string;
}

export interface TestRunOptions {
  readonly patterns: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** vitest's limit for one test, in milliseconds. */
  readonly testTimeout: number;
  /** Called with each entry as it comes in. */
  readonly onEntry: (entry: JournalEntry) => void;
}

/** How often the journal is looked at, in milliseconds. */
const pollMs = 250;

/** Runs the project's vitest on these tests, and listens to the explorations in them. */
export async function runTests({ patterns, env, testTimeout, onEntry }: TestRunOptions): Promise<TestRun> {
  for (const pattern of patterns) checkFile(pattern);
  const vitest = findVitest();
  const directory = mkdtempSync(join(tmpdir(), "supertester-"));
  const file = join(directory, "journal.jsonl");
  const entries: JournalEntry[] = [];
  const look = () => {
    for (const entry of readEntries(file).slice(entries.length)) {
      entries.push(entry);
      onEntry(entry);
    }
  };
  const polling = setInterval(look, pollMs);
  try {
    const { exitCode, output } = await run([vitest, "run", ...patterns, `--testTimeout=${testTimeout}`], {
      ...process.env,
      ...env,
      SUPERTESTER_JOURNAL: file,
    });
    look();
    if (output.includes("No test files found")) {
      throw new CommandError(`vitest finds no test file that matches ${patterns.join(" or ")} from ${process.cwd()}.`);
    }
    return { entries, exitCode, output };
  } finally {
    clearInterval(polling);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** vitest would take a path that does not exist for a pattern and only say that it found nothing. */
function checkFile(pattern: string): void {
  if (/\.[cm]?[jt]sx?$/.test(pattern) && pattern.includes("/") && !existsSync(pattern))
    throw new CommandError(`There is no file ${resolve(pattern)}.`);
}

function findVitest(): string {
  try {
    const manifest = createRequire(join(process.cwd(), "package.json")).resolve("vitest/package.json");
    return join(dirname(manifest), "vitest.mjs");
  } catch (error) {
    throw new CommandError(`vitest is not installed in ${process.cwd()}: npm install --save-dev vitest`, {
      cause: error,
    });
  }
}

function readEntries(file: string): JournalEntry[] {
  if (!existsSync(file)) return [];
  const text = readFileSync(file, "utf8");
  // The last line may be half written.
  const lines = text.slice(0, text.lastIndexOf("\n") + 1).split("\n");
  return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as JournalEntry);
}

function run(args: readonly string[], env: NodeJS.ProcessEnv): Promise<{ exitCode: number; output: string }> {
  return new Promise((fulfil, reject) => {
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (output += text));
    }
    // So that a run that is interrupted leaves no test process behind.
    const stop = (signal: NodeJS.Signals) => void child.kill(signal);
    process.once("SIGINT", stop).once("SIGTERM", stop);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      process.off("SIGINT", stop).off("SIGTERM", stop);
      if (signal === null) fulfil({ exitCode: code ?? 1, output });
      else reject(new CommandError(`Stopped by ${signal}.`));
    });
  });
}
