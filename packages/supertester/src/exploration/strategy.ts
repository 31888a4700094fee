import type { Chooser } from "../simulation/chooser.ts";
import type { RunOutcome } from "../simulation/run-outcome.ts";

/** One run that a strategy wants made. */
export interface Attempt {
  readonly chooser: Chooser;
  /** Whether the body may see other randomness than in the natural run; sampled runs vary it. */
  readonly variesData: boolean;
  /** Tells the strategy how the run went. */
  done?(outcome: RunOutcome<unknown>): void;
}

/** A way to search the schedules of a body. */
export interface Strategy {
  /** The next attempt, or undefined when there is nothing left to try. */
  next(): Attempt | undefined;
  /** What all attempts so far amount to. */
  readonly coverage: Coverage;
}

/**
 * What can be said when nothing failed: `sampled` promises nothing; `all schedules with at most k delays` covers every
 * schedule that differs from the natural one by delaying k events (or injecting a fault, or taking another choice);
 * `exhausted` means every legal schedule of the body within its latency windows.
 */
export type Coverage = "sampled" | `all schedules with at most ${number} delay${"" | "s"}` | "exhausted";

/** What was explored without finding a failure. */
export interface ExploreReport {
  readonly runs: number;
  /** Different schedules among them. */
  readonly distinct: number;
  /** Events that ran, over all schedules. */
  readonly steps: number;
  /** Real milliseconds. */
  readonly ms: number;
  readonly coverage: Coverage;
}
