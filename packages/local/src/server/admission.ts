import { HttpError } from "./http-error.ts";
import type { PauseGate } from "./pause-gate.ts";

/** Counts bytes of accepted requests whose work has not ended, so that waiting work cannot fill the memory. */
export class PendingBytes {
  readonly #limit: number;
  #held = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get held(): number {
    return this.#held;
  }

  /**
   * Takes room for a request and returns how to give it back; throws a 429 when there is none. A request that lets
   * others end (`frees`) passes all the same, and so does one that is alone: refusing it for ever would help nobody.
   */
  reserve(bytes: number, frees: boolean): () => void {
    if (!frees && this.#held > 0 && this.#held + bytes > this.#limit) {
      throw new HttpError(429, `${this.#held} bytes of requests are waiting for their turn; send this one later.`, {
        retryAfter: 1,
      });
    }
    this.#held += bytes;
    let released = false;
    return () => {
      if (!released) this.#held -= bytes;
      released = true;
    };
  }
}

/** One sample waiting or running. Neither function may throw. */
export interface QueuedSample {
  run(signal: AbortSignal): Promise<void>;
  fail(message: string): void;
}

/** Samples in order of arrival, at most `running` of them in the engine and `queued` in all. */
export class SampleQueue {
  readonly #gate: PauseGate;
  readonly #limits: { readonly queuedSamples: number; readonly runningSamples: number };
  readonly #waiting = new Set<QueuedSample>();
  readonly #end = new AbortController();
  readonly #running = new Set<Promise<void>>();
  #pumping = false;

  constructor(gate: PauseGate, limits: { readonly queuedSamples: number; readonly runningSamples: number }) {
    this.#gate = gate;
    this.#limits = limits;
  }

  /** Samples waiting and running. */
  get size(): number {
    return this.#waiting.size + this.#running.size;
  }

  /** Throws a 429 when the queue is full. */
  admit(): void {
    if (this.size < this.#limits.queuedSamples) return;
    throw new HttpError(
      429,
      `${this.size} samples are waiting, which is as many as this server takes; send it later.`,
      {
        retryAfter: 1,
      },
    );
  }

  submit(sample: QueuedSample): void {
    this.admit();
    this.#waiting.add(sample);
    void this.#pump();
  }

  /** Fails what waits, aborts what runs, and resolves when it has ended. */
  async close(message: string): Promise<void> {
    this.#end.abort(new Error(message));
    for (const sample of this.#waiting) sample.fail(message);
    this.#waiting.clear();
    await Promise.all(this.#running);
  }

  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#waiting.size > 0 && this.#running.size < this.#limits.runningSamples) {
      await this.#gate.opened(this.#end.signal);
      const [next] = this.#waiting;
      if (next === undefined || this.#end.signal.aborted) break;
      this.#waiting.delete(next);
      const running = next.run(this.#end.signal).finally(() => {
        this.#running.delete(running);
        void this.#pump();
      });
      this.#running.add(running);
    }
    this.#pumping = false;
  }
}
