import type { SeededRandom } from "../world/seeded-random.ts";
import { sampledDecisions } from "./random-walk.ts";
import type { Attempt, Strategy } from "./strategy.ts";

/**
 * Probabilistic concurrency testing (Burckhardt et al., ASPLOS 2010): every chain gets a random priority, the highest
 * one runs, and at `depth - 1` random steps the running chain drops below all others. A bug that needs `depth` ordering
 * constraints among n chains in k steps is found with probability at least 1 / (n k^(depth - 1)) per run.
 */
export class PrioritySearch implements Strategy {
  readonly coverage = "sampled";
  readonly #random: SeededRandom;
  readonly #depth: number;
  /** The longest run so far: k is not known in advance, and too small a guess would hide late bugs. */
  #length = 16;

  constructor(random: SeededRandom, depth: number) {
    this.#random = random;
    this.#depth = depth;
  }

  next(): Attempt {
    const random = this.#random;
    const changes = Array.from({ length: this.#depth - 1 }, () => random.below(this.#length)).sort((a, b) => b - a);
    return {
      variesData: true,
      chooser: {
        priority: () => 1 + random.random(),
        ...sampledDecisions(random),
        pick: (enabled, step) => {
          // Steps with a single possibility are not shown to us, so several change points may have been passed.
          for (let change = changes.at(-1); change !== undefined && change <= step; change = changes.at(-1)) {
            // The first to drop stays above those that drop later, and all of them below 1.
            enabled.setPriority(enabled.highest(), changes.length / this.#depth);
            changes.pop();
          }
          return enabled.highest();
        },
      },
      done: ({ log }) => {
        this.#length = Math.max(this.#length, log.length);
      },
    };
  }
}
