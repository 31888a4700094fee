import { cp, readFile } from "node:fs/promises";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { test } from "vitest";
import { version } from "../../src/context/process-singleton.ts";
import { isolate } from "../../src/index.ts";

const source = join(import.meta.dirname, "../../src");
const run = promisify(execFile);

/** Runs a module in a process of its own that loads the package twice: from here, and from a copy at `second`. */
async function runWithCopy(script: (first: string, second: string) => string, newVersion?: string): Promise<string> {
  return isolate(async (scope) => {
    const directory = join(await scope.tmpDir(), "src");
    await cp(source, directory, { recursive: true });
    if (newVersion !== undefined) {
      const { writeFile } = await import("node:fs/promises");
      const file = join(directory, "context/process-singleton.ts");
      await writeFile(file, (await readFile(file, "utf8")).replace(`"${version}"`, `"${newVersion}"`));
    }
    const text = script(JSON.stringify(join(source, "index.ts")), JSON.stringify(join(directory, "index.ts")));
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", text]);
    return stdout.trim();
  });
}

test("two copies of different versions in one process are an error that names both", async ({ expect }) => {
  const output = await runWithCopy(
    (first, second) => `
      await import(${first});
      await import(${second}).catch((error) => console.log(error.code, error.message));`,
    "0.0.1",
  );
  expect(output).toMatch(
    new RegExp(
      `^two-copies two copies of supertester are loaded: ${version} from file:.*, and 0\\.0\\.1 from file:.*npm ls supertester`,
    ),
  );
});

test("the same version loaded twice shares scopes, tables, logs and errors", async ({ expect }) => {
  const output = await runWithCopy(
    (first, second) => `
      const [a, b] = [await import(${first}), await import(${second})];
      const seen = await a.isolate({ channels: ["c"] }, async (scope) => {
        (await import("node:diagnostics_channel")).channel("c").publish(1);
        process.stdout.write("captured");
        process.env.X = "1";
        const table = new b.SharedTable("t");
        table.set("k", 1);
        await b.isolate(() => undefined);
        return [b.currentScope() === scope, (await scope.events.exactly(1)).length, table.size, String(scope.logs)];
      });
      let error; try { a.currentScope(); } catch (e) { error = e; }
      console.log([...seen, String(process.env.X), b.SupertesterError.isInstance(error), error instanceof b.SupertesterError].join(" "));`,
  );
  expect(output).toBe("true 1 1 stdout info: captured undefined true false");
});

test("the version in the source is the package's", async ({ expect }) => {
  const { version: published } = JSON.parse(await readFile(join(source, "../package.json"), "utf8")) as {
    version: string;
  };
  expect(version).toBe(published);
});
