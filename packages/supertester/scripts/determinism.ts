// Runs the corpus under several Node binaries, by itself, beside eight others, and in every pool of vitest, and compares
// the event hashes. Usage: node packages/supertester/scripts/determinism.ts [node binary]...
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { corpusDigest } from "../test/corpus/digest.ts";
import { pools, poolsThatAgree } from "../test/corpus/pools.ts";
import { digest } from "../test/simulation/event-hashes.ts";

const seeds = 20;
const everythingRuns = 200;

async function output(node: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(node, ["--no-warnings", ...args]);
  return stdout.trim();
}

const tests = join(import.meta.dirname, "..", "test");
const expected = { corpus: await corpusDigest(seeds), sockets: await digest(everythingRuns) };
console.log(`corpus: ${expected.corpus}\nsockets, streams and randomness: ${expected.sockets}\n`);

let differs = false;
const say = (where: string, same: boolean) => {
  differs ||= !same;
  console.log(`${same ? "same     " : "DIFFERENT"}  ${where}`);
};

const beside = await Promise.all(Array.from({ length: 8 }, () => corpusDigest(seeds)));
say(
  "eight at once",
  beside.every((one) => one === expected.corpus),
);
for (const node of process.argv.length > 2 ? process.argv.slice(2) : [process.execPath]) {
  const version = await output(node, ["--version"]);
  const corpus = await output(node, [join(tests, "corpus", "digest.ts"), String(seeds)]);
  say(`corpus, ${version}`, corpus === expected.corpus);
  const sockets = await output(node, [join(tests, "simulation", "event-hashes.ts"), String(everythingRuns)]);
  say(`sockets, ${version}`, sockets === expected.sockets);
  const agree = await poolsThatAgree(expected.corpus, seeds, node);
  for (const pool of pools) say(`corpus, ${version}, vitest ${pool}`, agree.includes(pool));
}
process.exitCode = differs ? 1 : 0;
