import type { FailureKind, SimBody } from "../src/index.ts";

/** A small program with a race, and the same program without it. */
export interface Bug {
  /** The file's name. */
  readonly name: string;
  /** What the program gets wrong, in a sentence. */
  readonly pattern: string;
  /** How it fails. */
  readonly kind: FailureKind;
  /** Fails under some legal schedules, seldom or never in the natural order. */
  readonly buggy: SimBody;
  /** Fails under none. */
  readonly fixed: SimBody;
}
