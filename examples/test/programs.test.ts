import { spawn } from "node:child_process";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));

interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs one of the examples as a user would, in a folder of its own; `watch` sees the output as it comes. */
async function run(
  example: string,
  args: readonly string[],
  watch: (out: string, interrupt: () => void) => void = () => undefined,
): Promise<Finished & { readonly files: readonly string[] }> {
  const folder = await mkdtemp(join(tmpdir(), "example-"));
  try {
    // Without what tells a library that it is being tested, and with nothing of the user's to write to but this folder.
    const {
      TINKER_BASE_URL: _url,
      TINKER_API_KEY: _key,
      ORT_DISABLE_TELEMETRY: _ort,
      CI: _ci,
      VITEST: _vitest,
      ...rest
    } = process.env;
    const env = { ...rest, HOME: folder, TMPDIR: folder, XDG_CACHE_HOME: folder };
    const child = spawn(process.execPath, ["--conditions=@tinkex/source", join(root, "examples", example), ...args], {
      cwd: folder,
      env,
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => {
      out += String(chunk);
      watch(out, () => child.kill("SIGINT"));
    });
    child.stderr.on("data", (chunk) => (err += String(chunk)));
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    const files = await readdir(folder, { recursive: true });
    return { code, out, err, files };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test("the README's first program is the one in examples, and it runs", async ({ expect }) => {
  const [readme, program] = await Promise.all([
    readFile(join(root, "README.md"), "utf8"),
    readFile(join(root, "examples/first-steps.ts"), "utf8"),
  ]);
  expect(readme).toContain(program);
  const { code, out, err, files } = await run("first-steps.ts", []);
  expect([code, err]).toEqual([0, ""]);
  // Neither itself nor a library of its leaves caches, logs or identifiers on the user's disk.
  expect(files).toEqual([]);
  expect(out).toMatch(/^\d+\.\d+ Int32Array/);
});

test("the quickstart trains, compares, and says where the checkpoint lies", async ({ expect }) => {
  const { code, out, err, files } = await run("quickstart/main.ts", ["--steps", "3", "--batch", "4"]);
  expect([code, err]).toEqual([0, ""]);
  for (const part of ["step 3/3", "before", "after", "Held-out exact match", "tinker://"]) expect(out).toContain(part);
  expect(files.some((file) => file.endsWith("adapter_model.safetensors"))).toBe(true);
});

test("Ctrl-C ends the quickstart after the step under way and keeps what was learned", async ({ expect }) => {
  let interrupted = false;
  const { code, out, files } = await run(
    "quickstart/main.ts",
    ["--steps", "100000", "--batch", "4"],
    (text, interrupt) => {
      if (interrupted || !text.includes("step ")) return;
      interrupted = true;
      interrupt();
    },
  );
  expect(code).toBe(130);
  expect(out).toContain("tinker://");
  expect(files.some((file) => file.endsWith("adapter_model.safetensors"))).toBe(true);
});

test("bad input is one line and exit code 1, before anything is started", async ({ expect }) => {
  const { code, out, err, files } = await run("quickstart/main.ts", ["--data", "missing.jsonl"]);
  expect(code).toBe(1);
  expect(out).toBe("");
  expect(err.trim().split("\n")).toEqual(["missing.jsonl does not exist: check the path given to --data"]);
  expect(files).toEqual([]);
});
