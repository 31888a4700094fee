import { runOutsideWorlds, type Gate } from "../world/world.ts";
import type { Kernel, RealWork } from "./kernel.ts";

/**
 * Lets native work run for real while virtual time stands still. All of it must come back before the next event is
 * chosen, and the completions become events in the order of the calls, so how fast the disk was does not matter.
 */
export class RealWorkGate implements Gate, RealWork {
  readonly #kernel: Kernel;
  /** In call order; each schedules the delivery of its completion. */
  #calls: (() => void)[] = [];
  #inFlight = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  get isIdle(): boolean {
    return this.#inFlight === 0;
  }

  promise<T>(label: string, start: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const complete = this.#enter(label);
      runOutsideWorlds(start).then(
        (value) => complete(() => resolve(value)),
        (error: unknown) => complete(() => reject(error)),
      );
    });
  }

  callback(
    label: string,
    start: (done: (...args: unknown[]) => void) => unknown,
    callback: (...args: unknown[]) => unknown,
  ): unknown {
    const { lane } = this.#kernel;
    let results: unknown[] = [];
    const deliver = this.#kernel.bind(lane, () => callback(...results));
    const complete = this.#enter(label);
    return runOutsideWorlds(() =>
      start((...args) => {
        results = args;
        complete(() => void deliver());
      }),
    );
  }

  /** Begins a call; the returned function ends it with the delivery of its result. */
  #enter(label: string): (deliver: () => void) => void {
    const { lane, settings } = this.#kernel;
    this.#inFlight++;
    let deliver = () => {};
    this.#calls.push(() => this.#kernel.schedule("io", label, settings.latency, () => deliver(), lane));
    return (delivery) => {
      deliver = delivery;
      if (--this.#inFlight > 0) return;
      const calls = this.#calls;
      this.#calls = [];
      for (const schedule of calls) schedule();
    };
  }
}
