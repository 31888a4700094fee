import { HttpError } from "./http-error.ts";
import type { PauseGate } from "./pause-gate.ts";
import type { Runtime } from "./runtime.ts";

/** One training operation. Neither function may throw: both settle the operation's future. */
export interface Operation {
  run(): Promise<void>;
  fail(message: string): void;
}

/**
 * A model's training operations, run one at a time in `seq_id` order, which is the order of the caller's program and
 * not that of arrival: clients send the chunks of one call together, the first one last. Early arrivals are held until
 * the gap before them is filled. A gap that stays open for `gapTimeoutMs` fails what is held, and the numbers up to the
 * last held one are used up, so that one lost submission cannot freeze the model for ever.
 */
export class OperationQueue {
  readonly #runtime: Runtime;
  readonly #gate: PauseGate;
  readonly #gapTimeoutMs: number;
  readonly #window: bigint;
  /** Undefined stands for a number that a refused submission used up. */
  readonly #held = new Map<bigint, Operation | undefined>();
  #next = 1n;
  #tail: Promise<void> = Promise.resolve();
  #gapTimer: AbortController | undefined;
  readonly #end = new AbortController();
  #closed: string | undefined;

  constructor(
    runtime: Runtime,
    gate: PauseGate,
    limits: { readonly gapTimeoutMs: number; readonly sequenceWindow: number },
  ) {
    this.#runtime = runtime;
    this.#gate = gate;
    this.#gapTimeoutMs = limits.gapTimeoutMs;
    this.#window = BigInt(limits.sequenceWindow);
  }

  /** True for the one that those held behind a gap wait for. */
  fillsGap(seqId: bigint | undefined): boolean {
    return seqId === this.#next && this.#held.size > 0;
  }

  /** Throws the 400 that `submit` would answer for this number; undefined (no number) always passes. */
  check(seqId: bigint | undefined): void {
    if (seqId === undefined) return;
    if (seqId < 1n) throw new HttpError(400, `seq_id counts from 1, got ${seqId}`);
    if (seqId < this.#next || this.#held.has(seqId)) {
      throw new HttpError(
        400,
        `seq_id ${seqId} was used before and its result is no longer kept (the next one due is ${this.#next}). ` +
          "Give every operation of a model its own number, in the order in which they shall take effect.",
      );
    }
    if (seqId >= this.#next + this.#window) {
      throw new HttpError(
        400,
        `seq_id ${seqId} is too far ahead: the next one due is ${this.#next}, and at most ${this.#window - 1n} may be waiting behind it.`,
      );
    }
  }

  /** Runs the operation when its turn comes; without a number, after all that are ready now. */
  submit(seqId: bigint | undefined, operation: Operation): void {
    this.check(seqId);
    if (seqId === undefined) return this.#start(operation);
    this.#held.set(seqId, operation);
    this.#release();
  }

  /** A submission that was refused for good still takes its number; the operations behind it go ahead. */
  consume(seqId: bigint): void {
    if (seqId < this.#next || seqId >= this.#next + this.#window || this.#held.has(seqId)) return;
    this.#held.set(seqId, undefined);
    this.#release();
  }

  /** Fails everything that has not started. Resolves when the running operation has ended. */
  async close(message: string): Promise<void> {
    this.#closed ??= message;
    this.#end.abort();
    this.#gapTimer?.abort();
    this.#gapTimer = undefined;
    this.#failHeld(this.#closed);
    await this.#tail;
  }

  #release(): void {
    while (this.#held.has(this.#next)) {
      const operation = this.#held.get(this.#next);
      this.#held.delete(this.#next);
      this.#next += 1n;
      if (operation !== undefined) this.#start(operation);
    }
    this.#watchGap();
  }

  #start(operation: Operation): void {
    const previous = this.#tail;
    this.#tail = (async () => {
      await previous;
      await this.#gate.opened(this.#end.signal);
      if (this.#closed === undefined) await operation.run();
      else operation.fail(this.#closed);
    })();
  }

  /** Every arrival starts the wait anew: a client that is still sending is not stuck. */
  #watchGap(): void {
    this.#gapTimer?.abort();
    this.#gapTimer = undefined;
    if (this.#held.size === 0 || this.#closed !== undefined) return;
    const timer = new AbortController();
    this.#gapTimer = timer;
    void this.#giveUpLater(timer);
  }

  async #giveUpLater(timer: AbortController): Promise<void> {
    try {
      await this.#runtime.sleep(this.#gapTimeoutMs, timer.signal);
    } catch {
      return; // the gap was filled
    }
    if (this.#gapTimer === timer) this.#giveUp();
  }

  #giveUp(): void {
    this.#gapTimer = undefined;
    const missing = this.#next;
    for (const seqId of this.#held.keys()) if (seqId >= this.#next) this.#next = seqId + 1n;
    this.#failHeld(
      `Operation ${missing} of this model did not arrive within ${this.#gapTimeoutMs / 1000} s, so the later ones that ` +
        `waited for it were given up. Nothing of them took effect; go on with seq_id ${this.#next}.`,
    );
  }

  #failHeld(message: string): void {
    const held = [...this.#held.values()];
    this.#held.clear();
    for (const operation of held) operation?.fail(message);
  }
}
