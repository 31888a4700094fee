// Runs pairs in a worker thread: a process of its own as far as globals go, with the kit's source changed on request.
import assert from "node:assert/strict";
import { enableCompileCache, registerHooks } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import type { Member, Mutation, Pair } from "./pair.ts";

/** What to run. */
export interface PairsJob {
  readonly files: readonly string[];
  /** Only this promise; all of the files' when absent. */
  readonly promise?: string;
  /** With the kit or without. Not both in one process: without it, tests leave each other's spies behind. */
  readonly kit: boolean;
  readonly seeds: number;
  readonly mutation?: Mutation;
}

/** For each promise, how many seeds had a failing member, and the first failure. */
export type PairsResult = Readonly<Record<string, { readonly failed: number; readonly error: string }>>;

/** Taken before the kit replaces it: a pause is real time, also for a member with a clock of its own. */
const realImmediate = setImmediate;
const members = 8;
const job = workerData as PairsJob;

// Dozens of these workers load the same files.
enableCompileCache();
const { mutation } = job;
let mutated = mutation === undefined;
registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    if (mutation === undefined || !url.endsWith(`/src/${mutation.file}`)) return loaded;
    const source = Buffer.from(loaded.source as string | Uint8Array).toString();
    assert.ok(source.includes(mutation.find), `${mutation.file} has no \`${mutation.find}\``);
    mutated = true;
    return { ...loaded, source: source.replace(mutation.find, () => mutation.replace) };
  },
});

/** A small generator (mulberry32), so that a seed means the same everywhere. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function runSet(seed: number, run: (member: Member) => Promise<void>): Promise<string> {
  const random = generator(seed);
  const order = Array.from({ length: members }, (_, n) => [random(), n] as const).sort(([a], [b]) => a - b);
  const outcomes = await Promise.allSettled(
    order.map(async ([, n]) => {
      const pause = async () => {
        for (let turns = 1 + Math.floor(random() * 3); turns > 0; turns -= 1)
          await new Promise((resolve) => void realImmediate(resolve));
      };
      await run({ n, pause });
    }),
  );
  const failed = outcomes.find((outcome) => outcome.status === "rejected");
  return failed === undefined ? "" : String((failed.reason as Error | undefined)?.stack ?? failed.reason);
}

async function runPair(pair: Pair): Promise<{ failed: number; error: string }> {
  const { isolate } = await import("../../../src/index.ts");
  const withKit = async (member: Member) => {
    const run = isolate({ ...pair.options?.(member), id: `member ${member.n}` }, (scope) => pair.kit(member, scope));
    const expected = pair.rejects?.(member);
    await (expected === undefined ? run : assert.rejects(run, expected));
  };
  const result = { failed: 0, error: "" };
  for (let seed = 1; seed <= job.seeds; seed += 1) {
    const error = await runSet(seed, (member) => (job.kit ? withKit(member) : pair.bare(member)));
    if (error !== "") result.failed += 1;
    result.error ||= error;
    pair.after?.();
  }
  return result;
}

// What a spy of a bare test fails to swallow is nobody's to read.
if (!job.kit) {
  process.stdout.write = () => true;
  console.log = () => undefined;
}

const results: Record<string, { failed: number; error: string }> = {};
for (const file of job.files) {
  const { pairs } = (await import(`./${file}.ts`)) as { pairs: readonly Pair[] };
  for (const pair of pairs) {
    if (job.promise === undefined || job.promise === pair.promise) results[pair.promise] = await runPair(pair);
  }
}
assert.ok(mutated, `${mutation?.file} was never loaded`);
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
parentPort?.postMessage(results);
// A mutated kit may leave anything behind.
process.exit();
