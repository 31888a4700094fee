import type { Chooser } from "../simulation/chooser.ts";
import type { Attempt, Coverage, Strategy } from "./strategy.ts";

interface Decision {
  readonly count: number;
  value: number;
}

/** Depth-first search over every decision. Complete, and exponential: 2 clients with 4 events each have 10 schedules. */
export class ExhaustiveSearch implements Strategy {
  /** The decisions of the next run; beyond their end it decides 0. Undefined when every schedule has run. */
  #prefix: Decision[] | undefined = [];
  #natural: number | undefined;

  get coverage(): Coverage {
    return this.#prefix === undefined ? "exhausted" : "sampled";
  }

  /** How many schedules there would be if all were like the natural one; undefined before it has run. */
  get estimate(): number | undefined {
    return this.#natural;
  }

  next(): Attempt | undefined {
    const decisions = this.#prefix;
    if (decisions === undefined) return undefined;
    let made = 0;
    const decide = (count: number): number => {
      const decision = (decisions[made] ??= { count, value: 0 });
      made++;
      return Math.min(decision.value, count - 1);
    };
    const chooser: Chooser = {
      pick: (enabled) => enabled.at(decide(enabled.size)),
      choose: ({ count }) => decide(count),
      isLate: () => decide(2) === 1,
    };
    return {
      variesData: false,
      chooser,
      done: () => {
        decisions.length = made;
        this.#natural ??= decisions.reduce((product, { count }) => product * count, 1);
        while (decisions.length > 0) {
          const last = decisions.at(-1);
          if (last !== undefined && ++last.value < last.count) return;
          decisions.pop();
        }
        this.#prefix = undefined;
      },
    };
  }
}
