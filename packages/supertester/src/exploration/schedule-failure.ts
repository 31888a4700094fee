import type { FailureKind } from "../simulation/failure.ts";
import type { TraceStep, Waiting } from "./tracer.ts";

/** One line of the explanation: what must come late for the failure to happen. */
export interface Delay {
  readonly event: string;
  /** The event that must come first; undefined when `event` just takes as long as its latency allows. */
  readonly past: string | undefined;
}

/** A choice or fault that the failure needs. */
export interface Decision {
  readonly label: string;
  readonly value: number;
}

/** Everything that is known about a failure. */
export interface FailureDetails {
  readonly kind: FailureKind;
  /** What the run failed with. */
  readonly error: unknown;
  /** Token that runs exactly this schedule again: `explore(body, { replay })` or `SUPERTESTER_REPLAY`. */
  readonly replay: string;
  /** Shell command that replays it. */
  readonly command: string;
  /** The minimal explanation; empty when the failure happens in the natural order too. */
  readonly delays: readonly Delay[];
  readonly decisions: readonly Decision[];
  /** Steps that had to be fixed one by one because no delays express the schedule. Usually 0. */
  readonly scripted: number;
  readonly trace: readonly TraceStep[];
  /** For a deadlock or livelock: where each task is stuck. */
  readonly waiting: readonly Waiting[];
  /** Schedules that were run before this one failed, and to shrink it. */
  readonly runs: number;
  readonly shrinkRuns: number;
}

/**
 * A schedule under which the body fails, minimised and replayed. The message is the full report, `cause` the original
 * error, and the stack that of the `explore` call.
 */
export class ScheduleFailure extends Error {
  override readonly name = "ScheduleFailure";
  readonly #details: FailureDetails;

  constructor(details: FailureDetails, report: string, callFrames: string) {
    super(report, { cause: details.error });
    this.stack = `ScheduleFailure: ${report}\n${callFrames}`;
    this.#details = details;
  }

  /** Not an enumerable property, so that printing the error prints the report and not the whole trace again. */
  get details(): FailureDetails {
    return this.#details;
  }

  get kind(): FailureKind {
    return this.#details.kind;
  }

  /** Token that replays this schedule. */
  get replay(): string {
    return this.#details.replay;
  }

  get delays(): readonly Delay[] {
    return this.#details.delays;
  }

  get trace(): readonly TraceStep[] {
    return this.#details.trace;
  }

  get waiting(): readonly Waiting[] {
    return this.#details.waiting;
  }
}
