import type { Chooser } from "../simulation/chooser.ts";
import type { SeededRandom } from "../world/seeded-random.ts";
import type { Attempt, Strategy } from "./strategy.ts";

const faultRates = [0, 0.1, 0.3, 0.6] as const;
const lateRates = [0, 0, 0.1, 0.5] as const;

/** Picks uniformly among what is enabled. Best at races between a few operations, weak at ones that need many in a row. */
export class RandomWalk implements Strategy {
  readonly coverage = "sampled";
  readonly #random: SeededRandom;

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  next(): Attempt {
    const random = this.#random;
    return {
      variesData: true,
      chooser: { pick: (enabled) => enabled.at(random.below(enabled.size)), ...sampledDecisions(random) },
    };
  }
}

/** Uniform choices; faults and late answers at rates that are drawn per run: many bugs need one of them and then calm. */
export function sampledDecisions(random: SeededRandom): Pick<Chooser, "choose" | "isLate"> {
  const faultRate = faultRates[random.below(faultRates.length)] ?? 0;
  const lateRate = lateRates[random.below(lateRates.length)] ?? 0;
  return {
    choose({ count, kind }) {
      if (kind === "choice") return random.below(count);
      return random.random() < faultRate ? 1 + random.below(count - 1) : 0;
    },
    isLate: () => lateRate > 0 && random.random() < lateRate,
  };
}
