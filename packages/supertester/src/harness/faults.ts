import { IsolationError, SupertesterError } from "../context/errors.ts";
import { turn } from "../context/real-time.ts";
import { hashText, SeededRandom } from "../world/seeded-random.ts";

/**
 * What can go wrong at a boundary: `reject` before the call has an effect; `lose` its answer after it had one; `duplicate`
 * the call; `hang` until the caller gives up; `slow`: some turns of the event loop late.
 */
export type FaultKind = "reject" | "lose" | "duplicate" | "hang" | "slow";

/** A fault at the `occurrence`-th call (from 1) of a boundary. */
export interface InjectedFault {
  readonly boundary: string;
  readonly occurrence: number;
  readonly kind: FaultKind;
}

/** Which faults to inject. */
export interface FaultOptions {
  /** Decides where. Default 1. */
  readonly seed?: number | string;
  /** Part of the calls that get a fault, from 0 to 1. Default 0.2. */
  readonly rate?: number;
  /** Default all but `hang`. */
  readonly kinds?: readonly FaultKind[];
  /** Faults in all, at most. Default unlimited. */
  readonly max?: number;
  /** Exactly these instead, as an earlier run has recorded them. */
  readonly replay?: readonly InjectedFault[];
}

/** What a call got instead of its answer. `boundary`, `occurrence` and `kind` say where in the plan it comes from. */
export class FaultError extends SupertesterError implements InjectedFault {
  override name = "FaultError";
  readonly boundary: string;
  readonly occurrence: number;
  readonly kind: FaultKind;

  constructor({ boundary, occurrence, kind }: InjectedFault) {
    super(`injected fault: ${kind} at call ${occurrence} of "${boundary}"`);
    this.boundary = boundary;
    this.occurrence = occurrence;
    this.kind = kind;
  }
}

const allKinds: readonly FaultKind[] = ["reject", "lose", "duplicate", "hang", "slow"];

/**
 * Faults at named boundaries. Whether a call gets one depends on the seed, the boundary and how many calls it had, and on
 * nothing else: not on time, nor on what other boundaries do meanwhile. `injected` is the record, and the recipe of a replay.
 */
export class FaultPlan {
  readonly #options: FaultOptions;
  readonly #kinds: readonly FaultKind[];
  readonly #calls = new Map<string, number>();
  readonly #injected: InjectedFault[] = [];

  /** @throws IsolationError `invalid-argument` for a rate or kind that does not exist. */
  constructor(options: FaultOptions = {}) {
    const { rate = 0.2, kinds = allKinds.filter((kind) => kind !== "hang") } = options;
    if (!(rate >= 0 && rate <= 1))
      throw new IsolationError("invalid-argument", `the rate of faults is ${rate}: use a number from 0 to 1`);
    const unknown = kinds.find((kind) => !allKinds.includes(kind));
    if (unknown !== undefined || kinds.length === 0) {
      throw new IsolationError(
        "invalid-argument",
        `"${String(unknown)}" is no kind of fault: use ${allKinds.join(", ")}`,
      );
    }
    this.#options = options;
    this.#kinds = kinds;
  }

  /** What was injected so far, in order. */
  get injected(): readonly InjectedFault[] {
    return this.#injected;
  }

  /** Calls of each boundary so far. */
  get calls(): ReadonlyMap<string, number> {
    return this.#calls;
  }

  /** `call`, with faults at its boundary. `hang` ends with the signal of an `AbortSignal` among the arguments or their fields. */
  wrap<Args extends readonly unknown[], T>(
    boundary: string,
    call: (...args: Args) => T | Promise<T>,
  ): (...args: Args) => Promise<T> {
    return async (...args) => {
      const fault = this.#decide(boundary);
      if (fault === undefined) return call(...args);
      return faultyCall(fault, () => call(...args), args);
    };
  }

  /** @throws IsolationError `not-isolatable` when no boundary was ever called or, in a replay, a fault's call never came. */
  assertExercised(): void {
    const missing = (this.#options.replay ?? []).filter(
      ({ boundary, occurrence }) => (this.#calls.get(boundary) ?? 0) < occurrence,
    );
    if (this.#calls.size > 0 && missing.length === 0) return;
    const what =
      missing.map(({ boundary, occurrence }) => `call ${occurrence} of "${boundary}"`).join(", ") ||
      "a call of any boundary";
    throw new IsolationError(
      "not-isolatable",
      `the faults were not exercised: ${what} never came, so nothing was tested`,
    );
  }

  #decide(boundary: string): InjectedFault | undefined {
    const occurrence = (this.#calls.get(boundary) ?? 0) + 1;
    this.#calls.set(boundary, occurrence);
    const fault = this.#planned(boundary, occurrence);
    if (fault !== undefined) this.#injected.push(fault);
    return fault;
  }

  #planned(boundary: string, occurrence: number): InjectedFault | undefined {
    const { seed = 1, rate = 0.2, max = Infinity, replay } = this.#options;
    if (replay !== undefined)
      return replay.find((fault) => fault.boundary === boundary && fault.occurrence === occurrence);
    const random = new SeededRandom(hashText(`${seed}\n${boundary}\n${occurrence}`));
    const hit = random.random() < rate && this.#injected.length < max;
    const kind = this.#kinds[random.below(this.#kinds.length)];
    return hit && kind !== undefined ? { boundary, occurrence, kind } : undefined;
  }
}

async function faultyCall<T>(fault: InjectedFault, call: () => T | Promise<T>, args: readonly unknown[]): Promise<T> {
  const { kind } = fault;
  if (kind === "hang") return untilAborted(fault, args);
  if (kind === "reject") throw new FaultError(fault);
  if (kind === "slow") for (let turns = 0; turns < 5; turns += 1) await turn();
  const answer = await call();
  if (kind === "lose") throw new FaultError(fault);
  return kind === "duplicate" ? call() : answer;
}

function untilAborted(fault: InjectedFault, args: readonly unknown[]): Promise<never> {
  const candidates = args.flatMap((arg) => [arg, (arg as { signal?: unknown } | null | undefined)?.signal]);
  const signal = candidates.find((candidate) => candidate instanceof AbortSignal);
  if (signal === undefined) {
    const message = `"${fault.boundary}" was to hang, but its caller passes no AbortSignal with which to give up; pass one, or leave "hang" out of the kinds`;
    return Promise.reject(new IsolationError("not-isolatable", message));
  }
  return new Promise((_resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}
