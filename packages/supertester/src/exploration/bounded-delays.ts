import { late, naturalPlan, PlanFollower, type Hold, type Plan } from "./plan.ts";
import type { Attempt, Coverage, Strategy } from "./strategy.ts";

/** What of a run is needed to derive further ones from it: small, because there may be many. */
interface Trace {
  readonly plan: Plan;
  readonly events: readonly number[];
  /** Events that could have come late in time, without a change of order. */
  readonly mayBeLate: ReadonlySet<number>;
  readonly runnersUp: ReadonlyMap<number, number>;
  readonly choices: readonly { readonly id: number; readonly count: number }[];
}

/**
 * Systematic search outward from the natural schedule: first every schedule in which one event is moved to a later
 * place (or one choice goes another way), then two, up to `bound`. When a level is complete that is a statement about all
 * of it. Races that need few delays, which is most of them, are found whatever the luck.
 */
export class BoundedDelays implements Strategy {
  readonly #search: Generator<Plan, void, Trace>;
  readonly #bound: number;
  #completed = -1;
  #previous: Trace | undefined;

  constructor(bound: number) {
    this.#bound = bound;
    this.#search = this.#levels();
  }

  get coverage(): Coverage {
    if (this.#completed < 0) return "sampled";
    return `all schedules with at most ${this.#completed} delay${this.#completed === 1 ? "" : "s"}`;
  }

  next(): (Attempt & { readonly plan: Plan }) | undefined {
    // The generator is given the trace of the attempt before; on the first call there is none and none is read.
    const step = this.#search.next(this.#previous as Trace);
    if (step.done === true) return undefined;
    const plan = step.value;
    const chooser = new PlanFollower(plan, false);
    return {
      plan,
      variesData: false,
      chooser,
      done: ({ log, choices }) => {
        this.#previous = {
          plan,
          events: log.map(({ id }) => id),
          mayBeLate: new Set(log.filter(({ lateness }) => lateness === "possible").map(({ id }) => id)),
          runnersUp: chooser.runnersUp,
          choices: choices.map(({ id, count }) => ({ id, count })),
        };
      },
    };
  }

  *#levels(): Generator<Plan, void, Trace> {
    let frontier = [yield naturalPlan];
    for (let level = 1; level <= this.#bound; level++) {
      const found: Trace[] = [];
      for (const parent of frontier) {
        for (const search of [choicesOf(parent), delaysOf(parent)]) {
          let step = search.next();
          while (step.done !== true) {
            const trace = yield step.value;
            if (level < this.#bound) found.push(trace);
            step = search.next(trace);
          }
        }
      }
      this.#completed = level;
      frontier = found;
    }
  }
}

/** Every way to decide one more choice point of `parent` differently. */
function* choicesOf({ plan, choices }: Trace): Generator<Plan, void, Trace> {
  for (const { id, count } of choices) {
    if (plan.choices.some((choice) => choice.id === id)) continue;
    for (let value = 1; value < count; value++) yield { ...plan, choices: [...plan.choices, { id, value }] };
  }
}

/** Every way to move one more event of `parent` to a later place, or instant. */
function* delaysOf(parent: Trace): Generator<Plan, void, Trace> {
  for (const event of parent.events) {
    if (parent.plan.holds.some((hold) => hold.event === event)) continue;
    if (parent.mayBeLate.has(event)) yield withHold(parent.plan, { event, past: late });
    // One place further per run, for as long as something else could have run in its place.
    for (let past = parent.runnersUp.get(event); past !== undefined;) {
      const trace: Trace = yield withHold(parent.plan, { event, past });
      past = trace.runnersUp.get(event);
    }
  }
}

function withHold(plan: Plan, hold: Hold): Plan {
  return { ...plan, holds: [...plan.holds, hold] };
}
