import type { IsolateOptions, Scope } from "../../../src/index.ts";

/** One of the concurrent tests of a set. */
export interface Member {
  readonly n: number;
  /** Lets the others run for some turns of the event loop; how many depends on the seed. */
  readonly pause: () => Promise<void>;
}

/**
 * One isolation promise as two sets of concurrent tests that state the same thing of the same application: `bare` as one
 * would write it without the kit, `kit` with it. Each member throws when it sees anything but its own.
 */
export interface Pair {
  readonly promise: string;
  bare(member: Member): Promise<void>;
  kit(member: Member, scope: Scope): Promise<void>;
  /** What the member asks of `isolate`. */
  readonly options?: (member: Member) => IsolateOptions;
  /** Takes away what a member was meant to leave behind. */
  readonly after?: () => void;
  /** What a member's `isolate` has to reject with, where that is the promise. */
  readonly rejects?: (member: Member) => RegExp | undefined;
}

/** A change to the kit's source that breaks one promise. */
export interface Mutation {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}
