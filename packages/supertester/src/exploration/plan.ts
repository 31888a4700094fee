import type { ChoicePoint, Chooser } from "../simulation/chooser.ts";
import type { SimEvent } from "../simulation/event.ts";
import { SimulationError } from "../simulation/failure.ts";
import type { Deviation } from "../simulation/run-outcome.ts";
import type { EnabledEvents } from "../simulation/pending-events.ts";

/** `event` does not run before `past` has, unless nothing else can. Both are event ids. */
export interface Hold {
  readonly event: number;
  /** Or `late`: the event takes all the time that its latency allows before the next timer. */
  readonly past: number;
}

/** In the place of an event id. */
export const late = 0;

/** The value that is taken at a choice point, identified like an event. */
export interface FixedChoice {
  readonly id: number;
  readonly value: number;
}

/**
 * A schedule as its differences from the natural one. `holds` and `choices` go by identity, so they mean the same after
 * other differences are removed, and they are the explanation of a failure. `script` lists steps, for schedules that
 * holds cannot express.
 */
export interface Plan {
  readonly holds: readonly Hold[];
  readonly choices: readonly FixedChoice[];
  readonly script: readonly Deviation[];
}

export const naturalPlan: Plan = { holds: [], choices: [], script: [] };

/** The number of differences. */
export function planSize({ holds, choices, script }: Plan): number {
  return holds.length + choices.length + script.length;
}

/** Makes the decisions of a plan. */
export class PlanFollower implements Chooser {
  /**
   * For each event that had competition when it ran: the one that would have run in its place, had it been held back.
   * Both are ids.
   */
  readonly runnersUp: Map<number, number> = new Map();
  readonly #past = new Map<number, number>();
  readonly #late = new Set<number>();
  readonly #awaited = new Set<number>();
  readonly #seen = new Set<number>();
  readonly #choices: ReadonlyMap<number, number>;
  readonly #script: ReadonlyMap<number, number>;
  readonly #strict: boolean;

  /** With `strict`, a scripted event that is not there is an error: the program is not the one the plan was made for. */
  constructor(plan: Plan, strict: boolean) {
    for (const { event, past } of plan.holds) {
      if (past === late) this.#late.add(event);
      else {
        this.#past.set(event, past);
        this.#awaited.add(past);
      }
    }
    this.#choices = new Map(plan.choices.map(({ id, value }) => [id, value]));
    this.#script = new Map(plan.script.map(({ step, event }) => [step, event]));
    this.#strict = strict;
  }

  pick(enabled: EnabledEvents, step: number): SimEvent {
    const scripted = this.#scripted(enabled, step);
    if (scripted !== undefined) return scripted;
    let picked: SimEvent | undefined;
    for (let rank = 0; rank < enabled.size; rank++) {
      const event = enabled.at(rank);
      if (this.#isHeld(event)) continue;
      if (picked !== undefined) {
        this.runnersUp.set(picked.id, event.id);
        break;
      }
      picked = event;
    }
    // When everything that may run is held back, the oldest hold ends.
    return picked ?? enabled.at(0);
  }

  choose({ id, count }: ChoicePoint): number {
    return Math.min(this.#choices.get(id) ?? 0, count - 1);
  }

  isLate({ id }: SimEvent): boolean {
    return this.#late.has(id);
  }

  ran({ id }: SimEvent): void {
    if (this.#awaited.has(id)) this.#seen.add(id);
  }

  #isHeld({ id }: SimEvent): boolean {
    const past = this.#past.get(id);
    return past !== undefined && !this.#seen.has(past);
  }

  #scripted(enabled: EnabledEvents, step: number): SimEvent | undefined {
    const id = this.#script.get(step);
    if (id === undefined) return undefined;
    for (let rank = 0; rank < enabled.size; rank++) if (enabled.at(rank).id === id) return enabled.at(rank);
    if (!this.#strict) return undefined;
    const options = Array.from({ length: Math.min(enabled.size, 8) }, (_, rank) => enabled.at(rank).key).join(", ");
    throw new SimulationError(
      "nondeterminism",
      `nondeterminism: at step ${step} the recorded event is not there; there is ${options}`,
    );
  }
}
