import type { SeededRandom } from "../world/seeded-random.ts";
import { BoundedDelays } from "./bounded-delays.ts";
import { ExhaustiveSearch } from "./exhaustive-search.ts";
import { PrioritySearch } from "./priority-search.ts";
import { RandomWalk } from "./random-walk.ts";
import type { Attempt, Coverage, Strategy } from "./strategy.ts";

/**
 * Runs that the search in full has to itself. After them it shares with the others: it goes through the end of a schedule
 * first, so a bug near the start comes late, and the natural run may underestimate the space.
 */
const head = 32;

/**
 * The default: no single strategy is safe, each has bugs that it all but never finds. A space that looks small enough
 * for the budget is searched in full; otherwise systematic delays, random walks and priority searches take turns.
 */
export class Portfolio implements Strategy {
  readonly #exhaustive = new ExhaustiveSearch();
  readonly #delays: BoundedDelays;
  readonly #turns: readonly Strategy[];
  readonly #budget: number;
  #runs = 0;
  #turn = 0;

  /** `budget` is the number of runs that are likely to be made. */
  constructor(random: SeededRandom, budget: number) {
    this.#budget = budget;
    this.#delays = new BoundedDelays(2);
    const walk = new RandomWalk(random);
    const [shallow, middle, deep] = [2, 3, 5].map((depth) => new PrioritySearch(random, depth));
    this.#turns = [this.#delays, walk, middle, walk, deep, this.#delays, shallow].filter(
      (strategy) => strategy !== undefined,
    );
  }

  get coverage(): Coverage {
    return this.#exhaustive.coverage === "exhausted" ? "exhausted" : this.#delays.coverage;
  }

  next(): Attempt | undefined {
    if (this.#exhaustive.coverage === "exhausted") return undefined;
    this.#runs++;
    const { estimate = 0 } = this.#exhaustive;
    const isPromising = estimate <= this.#budget && this.#runs <= Math.max(1, this.#budget / 2);
    if (isPromising && (this.#runs <= head || this.#runs % 2 === 0)) return this.#exhaustive.next();
    for (;;) {
      const attempt = this.#turns[this.#turn++ % this.#turns.length]?.next();
      if (attempt !== undefined) return attempt;
    }
  }
}
