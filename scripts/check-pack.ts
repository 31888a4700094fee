// `npm run check:pack`: builds and packs every package, installs the tarballs in an empty project, and runs a first program
// and the first tests of supertester's README there, on the oldest Node that we support. What is tested is what a user
// gets, and reads.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const oldestNode = "22.15.0";
const packages = ["protocol", "tinkex", "local", "supertester"];

const root = join(import.meta.dirname, "..");
const scratch = mkdtempSync(join(tmpdir(), "tinkex-pack-"));
const tarballs = join(scratch, "tarballs");
const project = join(scratch, "project");

// The npm that runs us hands its settings down in npm_*; an npm in another folder must not take them for its own.
const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)));

function run(folder: string, command: string, ...args: readonly string[]): void {
  console.log(`> ${command} ${args.join(" ")}`);
  const env = { ...environment, ONNXRUNTIME_NODE_INSTALL: "skip" };
  execFileSync(command, args, { cwd: folder, stdio: "inherit", env });
}

try {
  run(root, "tsdown", "--logLevel", "warn");
  mkdirSync(tarballs);
  for (const name of packages)
    run(join(root, "packages", name), "npm", "pack", "--silent", "--pack-destination", tarballs);

  cpSync(join(root, "scripts/pack-sample"), project, { recursive: true });
  const node = `node-${process.platform}-${process.arch}`;
  const files = readdirSync(tarballs).map((file) => join(tarballs, file));
  // The tarballs depend on each other by version; overrides point those at the tarballs too.
  const specs = Object.fromEntries(files.map((file) => [packageName(file), `file:${file}`]));
  const dependencies = { ...specs, [node]: oldestNode, vitest: versionOf("vitest") };
  const manifest = { private: true, type: "module", dependencies, overrides: specs };
  writeFileSync(join(project, "package.json"), JSON.stringify(manifest, undefined, 2));
  run(project, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error");
  const runtime = join(project, "node_modules", node, "bin", "node");

  run(project, runtime, "sample.mjs");
  // In folders of their own: each runner would take the other's file for one of its own.
  const withVitest = writeReadmeFiles("vitest", ["vitest.config.ts", "orders.ts", "orders.test.ts"]);
  run(withVitest, runtime, join(project, "node_modules/vitest/vitest.mjs"), "run");
  const withNodeTest = writeReadmeFiles("node-test", ["orders.test.mjs"]);
  run(withNodeTest, runtime, "--test");
  console.log("3 passed, 0 failed");
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** `tinkex-local-0.1.0.tgz` is `@tinkex/local`. */
function packageName(file: string): string {
  const base = file.replace(/^.*\//, "").replace(/-\d[^/]*\.tgz$/, "");
  return base.startsWith("tinkex-") ? base.replace("tinkex-", "@tinkex/") : base;
}

/** The version that this repository itself is tested with. */
function versionOf(dependency: string): string {
  const manifest = readFileSync(join(root, "package.json"), "utf8");
  const { devDependencies } = JSON.parse(manifest) as { readonly devDependencies: Readonly<Record<string, string>> };
  return devDependencies[dependency] ?? "latest";
}

/** Writes the files whose code supertester's README shows, each under the name in its first line. */
function writeReadmeFiles(folder: string, names: readonly string[]): string {
  const path = join(project, folder);
  mkdirSync(path);
  const readme = readFileSync(join(root, "packages/supertester/README.md"), "utf8");
  const blocks = [...readme.matchAll(/```ts\n(\/\/ ([\w.]+)[^]*?)```/g)];
  for (const name of names) {
    const code = blocks.find(([, , title]) => title === name)?.[1];
    if (code === undefined) throw new Error(`supertester's README shows no ${name}`);
    writeFileSync(join(path, name), code);
  }
  return path;
}
