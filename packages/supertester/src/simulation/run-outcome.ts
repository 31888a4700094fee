import type { SimEvent } from "./event.ts";
import type { RunFailure } from "./failure.ts";

/** What one run did. */
export interface RunOutcome<T> {
  readonly failure: RunFailure | undefined;
  /** What the body returned, when nothing failed. */
  readonly value: T | undefined;
  /** The events in the order in which they ran. */
  readonly log: readonly SimEvent[];
  /** After a failure: events that were still to come. They may have been delayed, too. */
  readonly pending: readonly SimEvent[];
  /** I/O that was called off, such as the answer to an aborted request, and how many events had run by then. */
  readonly cancelled: readonly { readonly event: SimEvent; readonly step: number }[];
  /** Decisions other than order, in the order in which they were made. */
  readonly choices: readonly ChoiceMade[];
  readonly deviations: readonly Deviation[];
  /** Two runs with the same hash ran the same events in the same order and decided alike. */
  readonly hash: number;
  /** Virtual milliseconds that the run took. */
  readonly now: number;
}

/** A step at which not the natural next event ran but another. */
export interface Deviation {
  readonly step: number;
  /** The event's id. */
  readonly event: number;
}

export interface ChoiceMade {
  readonly id: number;
  readonly label: string;
  readonly value: number;
  readonly count: number;
  /** Events that had run before. */
  readonly step: number;
}
