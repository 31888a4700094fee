/** Why work is not being started; clients show it to their users. */
export type PausedState = "paused_capacity" | "paused_rate_limit";

/** Holds back the start of work while the server is paused. */
export class PauseGate {
  #paused: { readonly state: PausedState; readonly reason: string | undefined } | undefined;
  readonly #waiting = new Set<() => void>();

  /** `active`, or why the server is paused, with the reason given. */
  get state(): { readonly queueState: "active" | PausedState; readonly reason: string | undefined } {
    return { queueState: this.#paused?.state ?? "active", reason: this.#paused?.reason };
  }

  /** From now on no queued work starts; what runs goes on. */
  pause(state: PausedState, reason?: string): void {
    this.#paused = { state, reason };
  }

  /** Lets queued work start again. */
  resume(): void {
    this.#paused = undefined;
    for (const wake of this.#waiting) wake();
  }

  /** Resolves when work may start, or when `signal` aborts (then nothing should). */
  async opened(signal: AbortSignal): Promise<void> {
    while (this.#paused !== undefined && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          this.#waiting.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        this.#waiting.add(wake);
        signal.addEventListener("abort", wake);
      });
    }
  }
}
