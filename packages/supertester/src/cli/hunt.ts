import type { JournalEntry } from "../exploration/journal.ts";
import { CommandError, type Command } from "./command.ts";
import type { Screen } from "./screen.ts";
import { runTests } from "./test-run.ts";

/** Searches the explorations of some tests for longer than a test run would. Returns the exit status. */
export async function hunt({ patterns, ms, seed }: Extract<Command, { name: "hunt" }>, screen: Screen): Promise<0 | 1> {
  const progress = new Map<string, { readonly runs: number; readonly distinct: number }>();
  const start = performance.now();
  const run = await runTests({
    patterns,
    env: { SUPERTESTER_MS: String(ms), SUPERTESTER_RUNS: "", SUPERTESTER_REPLAY: "", SUPERTESTER_SEED: seed ?? "" },
    // A test may explore more than once, and those of one file share a processor.
    testTimeout: Math.min(2 ** 31 - 1, 20 * ms + 60_000),
    onEntry: (entry) => {
      if (entry.type === "progress") progress.set(entry.name, entry);
      else {
        progress.delete(entry.name);
        screen.print(result(entry, screen));
      }
      if (progress.size > 0) screen.status(summary(progress, performance.now() - start));
    },
  });
  screen.clearStatus();
  const results = run.entries.filter((entry) => entry.type !== "progress");
  const failures = results.filter((entry) => entry.type === "failed");
  for (const { name, failure } of failures) {
    screen.print(`\n${name}\n`);
    screen.failure(failure);
  }
  if (failures.length > 0) return 1;
  if (run.exitCode !== 0) {
    throw new CommandError(`The tests failed for another reason than a schedule; vitest says:\n\n${run.output.trim()}`);
  }
  if (results.length === 0) {
    throw new CommandError(
      `No test that matches ${patterns.join(" or ")} explores anything: call explore(...) or test.explore(...) in it.`,
    );
  }
  return 0;
}

function result(entry: Exclude<JournalEntry, { type: "progress" }>, screen: Screen): string {
  if (entry.type === "failed") {
    const { kind, runs } = entry.failure;
    return `${screen.bad("✗")} ${entry.name}  ${screen.dim(`${kind} in schedule ${runs}`)}`;
  }
  const { runs, distinct, coverage, ms } = entry.report;
  const searched = coverage === "exhausted" ? "every schedule" : coverage;
  const numbers = `${runs} schedules, ${distinct} different, ${(ms / 1000).toFixed(1)} s; ${searched}`;
  return `${screen.good("✓")} ${entry.name}  ${screen.dim(numbers)}`;
}

function summary(
  progress: ReadonlyMap<string, { readonly runs: number; readonly distinct: number }>,
  ms: number,
): string {
  const [first = "", more] = [progress.keys().next().value, progress.size - 1];
  let [runs, distinct] = [0, 0];
  for (const entry of progress.values()) {
    runs += entry.runs;
    distinct += entry.distinct;
  }
  const where = more === 0 ? first : `${first} and ${more} more`;
  return `${Math.round(ms / 1000)} s  ${runs} schedules, ${distinct} different  ${where}`;
}
