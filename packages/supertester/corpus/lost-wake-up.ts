import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

class Queue {
  protected readonly items: number[] = [];
  protected wake: (() => void) | undefined;

  push(item: number): void {
    this.items.push(item);
    this.wake?.();
    this.wake = undefined;
  }

  async take(sim: Sim): Promise<number> {
    for (;;) {
      const item = this.items.shift();
      if (item !== undefined) return item;
      await sim.io("report idle");
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
  }
}

class AttentiveQueue extends Queue {
  override async take(sim: Sim): Promise<number> {
    for (;;) {
      const item = this.items.shift();
      if (item !== undefined) return item;
      const woken = new Promise<void>((resolve) => (this.wake = resolve));
      await sim.io("report idle");
      await woken;
    }
  }
}

const program =
  (SomeQueue: typeof Queue): SimBody =>
  async (sim) => {
    const queue = new SomeQueue();
    const consume = async () => {
      for (let count = 0; count < 2; count++) await queue.take(sim);
    };
    const produce = async () => {
      for (let item = 0; item < 2; item++) {
        await sim.sleep(50);
        queue.push(item);
      }
    };
    await Promise.all([sim.spawn("consumer", consume), sim.spawn("producer", produce)]);
  };

export const lostWakeUp: Bug = {
  name: "lost-wake-up",
  pattern: "a consumer looks, then waits; what is put in between wakes nobody",
  kind: "deadlock",
  buggy: program(Queue),
  fixed: program(AttentiveQueue),
};
