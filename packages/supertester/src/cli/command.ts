import { parseArgs } from "node:util";
import { decodeToken } from "../exploration/replay-token.ts";

export const usage = `Usage:
  supertester hunt <test file or pattern>... --ms <milliseconds> [--seed <seed>]
      Searches every exploration of these tests for that long, each.
  supertester replay <token> [<test file>]
      Runs the schedule of a failure again. Its report names both; without the file, every test is run to find it.

Exit status: 0 nothing failed, 1 a schedule failed, 2 the command could not be carried out.`;

/** What the user asked for. */
export type Command =
  | { readonly name: "help" }
  | {
      readonly name: "hunt";
      readonly patterns: readonly string[];
      /** Real milliseconds for each exploration. */
      readonly ms: number;
      readonly seed: string | undefined;
    }
  | { readonly name: "replay"; readonly token: string; readonly file: string | undefined };

/** A command that cannot be carried out; the message says what to do about it. */
export class CommandError extends Error {
  override readonly name = "CommandError";
}

/** Throws `CommandError` when the arguments make no sense. */
export function parseCommand(args: readonly string[]): Command {
  const { values, positionals } = parsed(args);
  const [name, ...rest] = positionals;
  if (values.help === true || (name === undefined && args.length === 0)) return { name: "help" };
  switch (name) {
    case "hunt":
      if (rest.length === 0) throw new CommandError("Which tests? supertester hunt <test file or pattern> --ms 60000");
      return { name, patterns: rest, ms: milliseconds(values.ms), seed: values.seed };
    case "replay":
      return { name, ...replayOf(rest) };
    case undefined:
    default:
      throw new CommandError(`${name === undefined ? "No command" : `Unknown command "${name}"`}.\n\n${usage}`);
  }
}

function parsed(args: readonly string[]): {
  values: { ms?: string; seed?: string; help?: boolean };
  positionals: string[];
} {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ms: { type: "string" }, seed: { type: "string" }, help: { type: "boolean", short: "h" } },
    });
  } catch (error) {
    throw new CommandError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`, { cause: error });
  }
}

function milliseconds(text: string | undefined): number {
  if (text === undefined) throw new CommandError("How long? Give --ms, such as --ms 60000 for a minute.");
  const ms = Number(text);
  if (ms > 0 && Number.isFinite(ms)) return ms;
  throw new CommandError(`--ms must be a number of milliseconds greater than 0, got ${JSON.stringify(text)}.`);
}

function replayOf([token, file, ...more]: readonly string[]): { token: string; file: string | undefined } {
  if (token === undefined) throw new CommandError("Which failure? supertester replay <token> [<test file>]");
  try {
    decodeToken(token);
  } catch (error) {
    throw new CommandError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  if (more.length > 0) throw new CommandError(`One token and one test file, please; got ${more.join(" ")} as well.`);
  return { token, file };
}
