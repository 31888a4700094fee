import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

class Collection {
  readonly #rows: string[] = [];
  readonly #sim: Sim;
  #isUnique = false;

  constructor(sim: Sim) {
    this.#sim = sim;
  }

  get size(): number {
    return this.#rows.length;
  }

  async ensureUnique(): Promise<void> {
    await this.#sim.io("build index", () => {
      this.#isUnique = true;
    });
  }

  async insert(row: string): Promise<void> {
    await this.#sim.io(`insert`, () => {
      if (!this.#isUnique || !this.#rows.includes(row)) this.#rows.push(row);
    });
  }
}

type Open = (collection: Collection) => Promise<void>;

const inBackground: Open = async (collection) => void collection.ensureUnique();
const awaited: Open = (collection) => collection.ensureUnique();

const program =
  (open: Open): SimBody =>
  async (sim) => {
    const users = new Collection(sim);
    await open(users);
    await Promise.all([users.insert("ann"), users.insert("ann")]);
    await sim.sleep(300);
    if (users.size !== 1) throw new Error(`ann was stored ${users.size} times`);
  };

export const indexNotAwaited: Bug = {
  name: "index-not-awaited",
  pattern: "an asynchronous set-up step is called as if it were synchronous",
  kind: "assertion",
  buggy: program(inBackground),
  fixed: program(awaited),
};
