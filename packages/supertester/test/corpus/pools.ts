import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

export const pools = ["forks", "threads", "vmForks", "vmThreads"] as const;

const inner = join(import.meta.dirname, "inner");
const vitest = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");

/** Runs the corpus in every pool of vitest, under a Node binary. Resolves with the pools in which it has that digest. */
export function poolsThatAgree(digest: string, seeds: number, node: string = process.execPath): Promise<string[]> {
  const args = [vitest, "run", "--config", join(inner, "vitest.config.ts"), "--reporter=default"];
  const env = { ...process.env, NO_COLOR: "1", DIGEST: digest, DIGEST_SEEDS: String(seeds) };
  return new Promise((resolve) => {
    execFile(node, args, { cwd: inner, env, maxBuffer: 2 ** 26 }, (_, stdout) => {
      resolve(pools.filter((pool) => new RegExp(`✓ \\W*${pool}\\W+digest`).test(stdout)));
    });
  });
}
