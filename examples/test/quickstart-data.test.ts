import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "vitest";
import { UsageError, readOptions } from "../quickstart/options.ts";
import { DataError, readData } from "../quickstart/read-data.ts";

const good = '{"prompt":"a","completion":"b"}';

async function read(content: string | Uint8Array): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), "quickstart-"));
  try {
    const file = join(folder, "data.jsonl");
    await writeFile(file, content);
    return await readData(file).catch((error: unknown) => error);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("the data in the repository is readable, and no prompt is there twice", async ({ expect }) => {
  const rows = await readData(fileURLToPath(new URL("../quickstart/home-commands.jsonl", import.meta.url)));
  expect(rows.length).toBeGreaterThan(500);
  expect(new Set(rows.map(({ prompt }) => prompt)).size).toBe(rows.length);
  for (const { completion } of rows) expect(JSON.parse(completion)).toHaveProperty("action");
});

test("blank lines and Windows line ends are fine", async ({ expect }) => {
  expect(await read(`${good}\r\n\r\n${good}\n`)).toHaveLength(2);
});

test.for([
  ["broken JSON", `${good}\n${good}\n{"prompt":`, /line 3: not valid JSON/],
  ["a list", `${good}\n[]`, /line 2: not a JSON object/],
  ["a missing completion", `${good}\n{"prompt":"a"}`, /line 2: "completion" is missing/],
  ["an empty prompt", `{"prompt":"","completion":"b"}`, /line 1: "prompt" is empty/],
  ["a number", `{"prompt":"a","completion":3}`, /line 1: "completion" is not a string/],
  ["an empty file", "\n\n", /is empty/],
  ["a single row", good, /one row/],
  ["bytes that are no text", new Uint8Array([0xff, 0xfe, 0x00]), /not UTF-8/],
] as const)("%s is refused with the line and the fix", async ([, content, message], { expect }) => {
  const error = await read(content);
  expect(error).toBeInstanceOf(DataError);
  expect((error as Error).message).toMatch(message);
});

test("a file that is not there is said to be missing", async ({ expect }) => {
  await expect(readData("/no/such/file.jsonl")).rejects.toThrow(/does not exist/);
});

test.for([
  [["--steps", "0"], /--steps must be a whole number/],
  [["--steps", "many"], /--steps/],
  [["--learning-rate=-1"], /--learning-rate must be a number above 0/],
  [["--stepz", "1"], /Unknown option '--stepz'/],
  [["file.jsonl"], /Unexpected argument/],
] as const)("%s is refused", ([args, message], { expect }) => {
  expect(() => readOptions(args, {})).toThrow(UsageError);
  expect(() => readOptions(args, {})).toThrow(message);
});
