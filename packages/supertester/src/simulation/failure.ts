import { callSite } from "./call-site.ts";

/**
 * What went wrong in a simulation.
 *
 * - `assertion`: the body rejected
 * - `invariant`: an `always` or `eventually` condition did not hold
 * - `unhandledRejection`, `uncaught`: an error that no code handled
 * - `deadlock`: the body is pending, and no timer, I/O or task can run
 * - `livelock`: a step or time cap was reached
 * - `escape`: code left the simulation, so its result could not be replayed
 * - `leak`: the body ended and left work behind
 * - `nondeterminism`: the same decisions led to different events
 */
export type FailureKind =
  | "assertion"
  | "invariant"
  | "unhandledRejection"
  | "uncaught"
  | "deadlock"
  | "livelock"
  | "escape"
  | "leak"
  | "nondeterminism";

/** A failure of one run, before it is minimised and reported. */
export interface RunFailure {
  readonly kind: FailureKind;
  /** What was thrown, or an error that the simulation made. */
  readonly error: unknown;
}

/** Thrown, or reported, by the simulation itself. */
export class SimulationError extends Error {
  override readonly name = "SimulationError";
  readonly kind: FailureKind;

  constructor(kind: FailureKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** The message of anything that can be thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Whether two failures are taken for the same bug: the same kind and class of error, and either the same message, numbers
 * aside, or the same line that threw, since messages can differ from schedule to schedule.
 */
export function isSameFailure(a: RunFailure, b: RunFailure): boolean {
  if (a.kind !== b.kind) return false;
  if (!(a.error instanceof Error && b.error instanceof Error)) return typeof a.error === typeof b.error;
  if (a.error.name !== b.error.name) return false;
  // A stack is costly to look at, and is seldom needed.
  return withoutNumbers(a.error.message) === withoutNumbers(b.error.message) || isSameLine(a.error, b.error);
}

function isSameLine(a: Error, b: Error): boolean {
  const site = callSite(a.stack ?? "");
  return site !== undefined && site === callSite(b.stack ?? "");
}

function withoutNumbers(message: string): string {
  return (message.split("\n", 1)[0] ?? "").replaceAll(/\d+(\.\d+)?/g, "0");
}
