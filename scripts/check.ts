// `npm test`: everything that must hold, cheapest first, and one closing line.
import { spawnSync } from "node:child_process";

const steps: readonly (readonly [name: string, command: string, args: readonly string[]])[] = [
  ["format", "oxfmt", ["--check", "."]],
  ["types", "tsc", ["-p", "tsconfig.json"]],
  ["published types", "tsc", ["-p", "tsconfig.src.json"]],
  ["lint", "oxlint", ["--deny-warnings"]],
  ["dead code", "knip", []],
  ["tests", "vitest", ["run"]],
];

const failed: string[] = [];
for (const [name, command, args] of steps) {
  const started = performance.now();
  const { status } = spawnSync(command, args, {
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${status === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  if (status !== 0) failed.push(name);
}

console.log(`${steps.length - failed.length} passed, ${failed.length} failed`);
if (failed.length > 0) {
  console.error(`npm test failed in: ${failed.join(", ")}`);
  process.exit(1);
}
