import type { TinkerError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { operationState } from "../telemetry/channels.ts";

/** What a call does. */
export type OperationKind =
  | "createModel"
  | "forward"
  | "forwardBackward"
  | "optimStep"
  | "saveState"
  | "loadState"
  | "saveWeightsForSampler"
  | "sample";

/**
 * Where an operation stands:
 * - `queued`: not accepted by the server yet (waiting for its turn, a permit, an open gate, or the answer);
 * - `submitted`: accepted, nothing further heard;
 * - `running`: the server has said that it is at work;
 * - `paused`: the server, or a shut backoff gate, holds it up; `pauseReason` says why;
 * - `done`, `failed`: over.
 */
export type OperationState = "queued" | "submitted" | "running" | "paused" | "done" | "failed";

/** A pending call, as `ServiceClient.inFlight()` lists it. */
export interface InFlightOperation {
  readonly id: number;
  readonly operation: OperationKind;
  readonly state: OperationState;
  /** Only while `paused`. */
  readonly pauseReason: string | undefined;
  readonly requestId: string | undefined;
  /** Milliseconds since the call. */
  readonly ageMs: number;
  /** HTTP requests made for it so far. */
  readonly attempts: number;
  /** Milliseconds until the next request; undefined while one is under way. */
  readonly nextRetryInMs: number | undefined;
  /** Message of the last failure that was, or is being, retried. */
  readonly lastFailure: string | undefined;
}

/** The mutable record behind one operation's future and its `inFlight()` row. */
export class OperationProgress {
  readonly id: number;
  readonly operation: OperationKind;
  readonly #runtime: Pick<Runtime, "now">;
  readonly #startedAt: number;
  #state: OperationState = "queued";
  #pauseReason: string | undefined;
  #attempts = 0;
  #nextRetryAt: number | undefined;
  requestId: string | undefined;
  lastFailure: TinkerError | undefined;

  constructor(id: number, operation: OperationKind, runtime: Pick<Runtime, "now">) {
    this.id = id;
    this.operation = operation;
    this.#runtime = runtime;
    this.#startedAt = runtime.now();
  }

  get state(): OperationState {
    return this.#state;
  }

  get pauseReason(): string | undefined {
    return this.#pauseReason;
  }

  enter(state: OperationState, pauseReason?: string): void {
    if (state === this.#state && pauseReason === this.#pauseReason) return;
    this.#state = state;
    this.#pauseReason = pauseReason;
    if (!operationState.hasSubscribers) return;
    const { id, operation, requestId } = this;
    operationState.publish({ id, operation, state, pauseReason, requestId });
  }

  /** A shut backoff gate holds up its submission. */
  held(): void {
    this.enter("paused", "rate limited");
  }

  trying(): void {
    this.#attempts += 1;
    this.#nextRetryAt = undefined;
    // What held up the submission is over; what holds up accepted work, only the server can say.
    if (this.requestId === undefined) this.enter("queued");
  }

  pausing(failure: TinkerError | undefined, delayMs: number): void {
    if (failure) this.lastFailure = failure;
    this.#nextRetryAt = this.#runtime.now() + delayMs;
  }

  snapshot(): InFlightOperation {
    const now = this.#runtime.now();
    return {
      id: this.id,
      operation: this.operation,
      state: this.#state,
      pauseReason: this.#pauseReason,
      requestId: this.requestId,
      ageMs: now - this.#startedAt,
      attempts: this.#attempts,
      nextRetryInMs: this.#nextRetryAt === undefined ? undefined : Math.max(0, this.#nextRetryAt - now),
      lastFailure: this.lastFailure?.message,
    };
  }
}
