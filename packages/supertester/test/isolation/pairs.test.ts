import { Worker } from "node:worker_threads";
import { describe, test } from "vitest";
import { mutations } from "./pairs/mutations.ts";
import type { PairsJob, PairsResult } from "./pairs/run-pairs.ts";

const files = ["telemetry", "open-telemetry", "logs", "tables", "world", "propagation", "leaks"];
const seeds = 50;

/** Promises of each file, filled as the runs come in and compared with the mutations at the end. */
function run(job: PairsJob): Promise<PairsResult> {
  const { promise, resolve, reject } = Promise.withResolvers<PairsResult>();
  const worker = new Worker(new URL("./pairs/run-pairs.ts", import.meta.url), { workerData: job, stdout: true });
  worker.once("message", resolve);
  worker.once("error", reject);
  worker.once("exit", (code) => reject(new Error(`the worker exited with ${code} and no result`)));
  return promise;
}

describe("a set of eight concurrent tests, started in the order of each of 50 seeds", () => {
  for (const file of files) {
    test(`${file}: fails without the kit, for every seed`, async ({ expect }) => {
      const results = Object.entries(await run({ files: [file], kit: false, seeds }));
      expect(results.length).toBeGreaterThan(0);
      expect(results.map(([promise, { failed }]) => [promise, failed])).toEqual(
        results.map(([promise]) => [promise, seeds]),
      );
    });

    test(`${file}: passes with the kit, for every seed`, async ({ expect }) => {
      const results = await run({ files: [file], kit: true, seeds });
      expect(Object.entries(results).map(([promise, { error }]) => [promise, error])).toEqual(
        Object.keys(results).map((promise) => [promise, ""]),
      );
      const proven = new Set(mutations.filter(({ pairs }) => pairs === file).map(({ promise }) => promise));
      expect(
        Object.keys(results).filter((promise) => !proven.has(promise)),
        "promises without a mutation",
      ).toEqual([]);
    });
  }
});

describe("a mutation of the shim is noticed", () => {
  for (const { pairs, promise, file, find, replace } of mutations) {
    test(`${promise}: ${file} without \`${find}\``, async ({ expect }) => {
      const results = await run({ files: [pairs], promise, kit: true, seeds: 2, mutation: { file, find, replace } });
      expect(results[promise]?.failed).toBeGreaterThan(0);
    });
  }
});
