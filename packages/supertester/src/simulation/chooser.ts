import type { SimEvent } from "./event.ts";
import type { EnabledEvents } from "./pending-events.ts";

/** A decision that is not about order: which of `count` ways to go. 0 is the undisturbed one. */
export interface ChoicePoint {
  readonly count: number;
  /** Hash of lane, label and occurrence, as for events. */
  readonly id: number;
  /** `choice` was asked for by the body; `fault` decides whether and how a request goes wrong. */
  readonly kind: "choice" | "fault";
}

/** Makes the decisions of one run. It is asked only when there is more than one possibility. */
export interface Chooser {
  /** Picks the event to run next. `step` counts from 0. */
  pick(enabled: EnabledEvents, step: number): SimEvent;
  /** Picks a value in [0, count). */
  choose(point: ChoicePoint): number;
  /**
   * Whether the picked event takes all the time that its latency and the other events allow, instead of none. Asked only
   * while a timer is armed, because otherwise no later order depends on it. Default false.
   */
  isLate?(event: SimEvent): boolean;
  /** Sees every event that runs, also those that were the only possibility. */
  ran?(event: SimEvent): void;
  /** The priority of a new chain. Default 0. */
  priority?(): number;
}

/** Runs events as an unloaded event loop would, every latency at its minimum, without faults. */
export const naturalOrder: Chooser = {
  pick: (enabled) => enabled.at(0),
  choose: () => 0,
};
