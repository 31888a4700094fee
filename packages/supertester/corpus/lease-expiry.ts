import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

const leaseMs = 100;

/** Grants the lease to one worker at a time; a lease that is not given back ends by itself. */
class Leases {
  #until = -Infinity;
  #fence = 0;

  async acquire(sim: Sim): Promise<number> {
    for (;;) {
      const fence = await sim.io("acquire", () => {
        if (sim.now < this.#until) return undefined;
        this.#until = sim.now + leaseMs;
        return ++this.#fence;
      });
      if (fence !== undefined) return fence;
      await sim.sleep(40);
    }
  }

  async release(sim: Sim, fence: number): Promise<void> {
    await sim.io("release", () => {
      if (fence === this.#fence) this.#until = -Infinity;
    });
  }
}

/** The document that the lease protects. Given a fence, it refuses writes older than the newest it has seen. */
class Document {
  text = "";
  #fence = 0;

  write(text: string, fence: number | undefined): boolean {
    if (fence !== undefined && fence < this.#fence) return false;
    this.#fence = fence ?? this.#fence;
    this.text = text;
    return true;
  }
}

const program =
  (isFenced: boolean): SimBody =>
  async (sim) => {
    const leases = new Leases();
    const document = new Document();
    const append = (name: string) => async () => {
      for (;;) {
        const fence = await leases.acquire(sim);
        // Reading registers the fence, so that a slower holder of an older lease can write no more.
        const text = await sim.io("read", () => {
          document.write(document.text, isFenced ? fence : undefined);
          return document.text;
        });
        const isWritten = await sim.io("write", () => document.write(text + name, isFenced ? fence : undefined));
        await leases.release(sim, fence);
        if (isWritten) return;
      }
    };
    const noise = async () => {
      for (let ping = 0; ping < 3; ping++) await sim.io("ping");
    };
    await Promise.all([sim.spawn("A", append("A")), sim.spawn("B", append("B")), sim.spawn("noise", noise)]);
    if (document.text.length !== 2) throw new Error("A and B appended to the document, and one is missing");
  };

export const leaseExpiry: Bug = {
  name: "lease-expiry",
  pattern: "a worker goes on after its lease has run out and writes over the next holder",
  kind: "assertion",
  buggy: program(false),
  fixed: program(true),
};
