import type { SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

type Handler = (event: string) => Promise<void>;

/** Handlers run one after the other. */
class Bus {
  protected handlers: Handler[] = [];

  subscribe(handler: Handler): () => void {
    this.handlers.push(handler);
    return () => void this.handlers.splice(this.handlers.indexOf(handler), 1);
  }

  async emit(event: string): Promise<void> {
    for (const handler of this.handlers) await handler(event);
  }
}

class SnapshotBus extends Bus {
  override async emit(event: string): Promise<void> {
    for (const handler of this.handlers.slice()) await handler(event);
  }
}

const program =
  (Events: typeof Bus): SimBody =>
  async (sim) => {
    const bus = new Events();
    const seen: string[] = [];
    const listen = (name: string) => bus.subscribe(() => sim.io(`handle ${name}`, () => void seen.push(name)));
    const unsubscribe = listen("first");
    listen("second");
    listen("third");
    const leave = async () => {
      await sim.sleep(30);
      await sim.io("say goodbye");
      unsubscribe();
    };
    await Promise.all([sim.spawn("emit", () => bus.emit("saved")), sim.spawn("leave", leave)]);
    for (const name of ["second", "third"]) {
      if (!seen.includes(name)) throw new Error(`the ${name} handler missed the event`);
    }
  };

export const unsubscribeDuringEmit: Bug = {
  name: "unsubscribe-during-emit",
  pattern: "a handler that leaves while an event is handed round makes the one after it miss the event",
  kind: "assertion",
  buggy: program(Bus),
  fixed: program(SnapshotBus),
};
