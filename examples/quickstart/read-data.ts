import { readFile } from "node:fs/promises";

/** One row of the data: what the model is given, and what it should say. */
export interface Example {
  readonly prompt: string;
  readonly completion: string;
}

/** The data file cannot be used; the message says which line, what is wrong with it, and what to do. */
export class DataError extends Error {
  override readonly name = "DataError";
}

const shape = '{"prompt": "…", "completion": "…"}';

/** Reads prompt/completion pairs, one JSON object a line; blank lines are skipped. */
export async function readData(file: string): Promise<readonly Example[]> {
  const examples: Example[] = [];
  for (const [index, line] of (await readText(file)).split(/\r?\n/).entries()) {
    if (line.trim() !== "") examples.push(parseLine(line, `${file}, line ${index + 1}`));
  }
  if (examples.length === 0) throw new DataError(`${file} is empty: give it at least two lines of the form ${shape}`);
  if (examples.length === 1) {
    throw new DataError(`${file} has one row: add another, so that one can be held out to test on`);
  }
  return examples;
}

async function readText(file: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") throw new DataError(`${file} does not exist: check the path given to --data`);
    if (code === "EISDIR") throw new DataError(`${file} is a folder: give --data a JSONL file`);
    throw new DataError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new DataError(`${file} is not UTF-8 text: save it as UTF-8`);
  }
}

function parseLine(line: string, where: string): Example {
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch {
    throw new DataError(`${where}: not valid JSON; every line must be ${shape}`);
  }
  if (typeof row !== "object" || row === null || Array.isArray(row)) {
    throw new DataError(`${where}: not a JSON object; every line must be ${shape}`);
  }
  const { prompt, completion } = row as Record<string, unknown>;
  for (const [name, value] of Object.entries({ prompt, completion })) {
    if (typeof value === "string" && value !== "") continue;
    const found = value === undefined ? "is missing" : value === "" ? "is empty" : `is not a string`;
    throw new DataError(`${where}: "${name}" ${found}; every line must be ${shape}`);
  }
  return { prompt: prompt as string, completion: completion as string };
}
