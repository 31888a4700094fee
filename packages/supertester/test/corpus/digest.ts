// As a program: prints a digest of the corpus, for comparison between versions of Node.
import { bugs } from "../../corpus/index.ts";
import { PrioritySearch } from "../../src/exploration/priority-search.ts";
import { RandomWalk } from "../../src/exploration/random-walk.ts";
import { runSettings } from "../../src/simulation/options.ts";
import { inControl, runSchedule } from "../../src/simulation/simulate.ts";
import { hashText, SeededRandom } from "../../src/world/seeded-random.ts";

/**
 * The event hashes and failures of every bug and every twin, under a random walk and a priority search from each of
 * `seeds` seeds, as one short text.
 */
export async function corpusDigest(seeds: number): Promise<string> {
  const parts: string[] = [];
  for (const { name, buggy, fixed } of bugs) {
    for (const body of [buggy, fixed]) {
      for (let seed = 0; seed < seeds; seed++) {
        const random = new SeededRandom(seed);
        for (const strategy of [new RandomWalk(random), new PrioritySearch(random, 3)]) {
          const settings = runSettings({ seed });
          // Without the wait that tells a deadlock from an escape: it changes nothing here, and takes 30 ms each.
          const run = () => runSchedule(body, settings, strategy.next().chooser, { graceMs: 0 });
          const { hash, now, failure } = await inControl(settings, run);
          parts.push(`${name} ${seed} ${hash} ${now} ${failure?.kind ?? "passed"}`);
        }
      }
    }
  }
  return `${hashText(parts.join("\n")).toString(16)} of ${parts.length} runs, ${new Set(parts).size} different`;
}

if (process.argv[1] === import.meta.filename) console.log(await corpusDigest(Number(process.argv[2] ?? 3)));
