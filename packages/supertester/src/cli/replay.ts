import { CommandError, type Command } from "./command.ts";
import type { Screen } from "./screen.ts";
import { runTests } from "./test-run.ts";

/** Runs the schedule of a token, and nothing else for long. Returns the exit status. */
export async function replay({ token, file }: Extract<Command, { name: "replay" }>, screen: Screen): Promise<0 | 1> {
  const run = await runTests({
    patterns: file === undefined ? [] : [file],
    // The other explorations cannot be left out, but one schedule each is quickly done.
    env: { SUPERTESTER_REPLAY: token, SUPERTESTER_RUNS: "1", SUPERTESTER_MS: "", SUPERTESTER_SEED: "" },
    testTimeout: 60_000,
    onEntry: () => {},
  });
  const replayed = run.entries.find(({ isReplay }) => isReplay);
  if (replayed?.type === "failed") {
    screen.failure(replayed.failure);
    return 1;
  }
  if (replayed !== undefined) {
    screen.print(`${screen.good("✓")} ${replayed.name}  ${screen.dim("this schedule does not fail any more")}`);
    return 0;
  }
  const where = file ?? "this project";
  const names = [...new Set(run.entries.map(({ name }) => name))];
  if (names.length > 0) {
    const known = names.map((name) => `  ${name}`).join("\n");
    throw new CommandError(
      `The token belongs to none of the explorations in ${where}:\n${known}\nA token finds its exploration by the line of the call, or by the name of the test, so it is lost when that changes.`,
    );
  }
  if (run.exitCode !== 0) throw new CommandError(`The tests could not be run; vitest says:\n\n${run.output.trim()}`);
  throw new CommandError(`${where} explores nothing, so there is nothing to replay.`);
}
