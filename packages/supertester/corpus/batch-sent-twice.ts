import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

/** Sends items when there are three, or 40 ms after the first. */
class Batcher {
  protected items: string[] = [];
  protected readonly sim: Sim;
  readonly #post: (items: readonly string[]) => Promise<void>;
  #timer: NodeJS.Timeout | undefined;

  constructor(sim: Sim, post: (items: readonly string[]) => Promise<void>) {
    this.sim = sim;
    this.#post = post;
  }

  async add(item: string): Promise<void> {
    this.items.push(item);
    this.#timer ??= setTimeout(() => void this.flush(), 40);
    if (this.items.length >= 3) await this.flush();
  }

  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.items.length > 0) await this.#post(await this.take());
  }

  /** The batch stays in place while a token is fetched. */
  protected async take(): Promise<readonly string[]> {
    await this.sim.io("token");
    const batch = this.items;
    this.items = [];
    return batch;
  }
}

class SwappingBatcher extends Batcher {
  protected override async take(): Promise<readonly string[]> {
    const batch = this.items;
    this.items = [];
    await this.sim.io("token");
    return batch;
  }
}

const program =
  (SomeBatcher: typeof Batcher): SimBody =>
  async (sim) => {
    let stored = 0;
    let empty = 0;
    sim.http("api.test", ({ body }) => {
      const { length } = JSON.parse(body) as string[];
      stored += length;
      if (length === 0) empty++;
      return { status: 204 };
    });
    const batcher = new SomeBatcher(sim, async (items) => {
      await fetch("http://api.test/", { method: "POST", body: JSON.stringify(items) });
    });
    for (const item of ["a", "b", "c"]) {
      await batcher.add(item);
      await sim.sleep(30);
    }
    await batcher.flush();
    await sim.sleep(500);
    if (stored !== 3) throw new Error(`${stored} of 3 items were stored`);
    if (empty > 0) throw new Error("an empty batch was sent");
  };

export const batchSentTwice: Bug = {
  name: "batch-sent-twice",
  pattern: "a batch is looked at, something is awaited, and then it is taken: another flush was faster",
  kind: "assertion",
  buggy: program(Batcher),
  fixed: program(SwappingBatcher),
};
