#!/usr/bin/env node
import { CommandError, parseCommand, usage, type Command } from "./command.ts";
import { hunt } from "./hunt.ts";
import { replay } from "./replay.ts";
import { Screen } from "./screen.ts";

async function carryOut(command: Command, screen: Screen): Promise<0 | 1> {
  if (command.name === "hunt") return hunt(command, screen);
  if (command.name === "replay") return replay(command, screen);
  screen.print(usage);
  return 0;
}

try {
  process.exitCode = await carryOut(parseCommand(process.argv.slice(2)), new Screen(process.stdout));
} catch (error) {
  if (!(error instanceof CommandError)) throw error;
  process.stderr.write(`supertester: ${error.message}\n`);
  process.exitCode = 2;
}
