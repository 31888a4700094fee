import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

class Account {
  readonly id: number;
  balance = 100;
  #last: Promise<void> = Promise.resolve();

  constructor(id: number) {
    this.id = id;
  }

  async locked<T>(fn: () => Promise<T>): Promise<T> {
    const before = this.#last;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#last = promise;
    await before;
    try {
      return await fn();
    } finally {
      resolve();
    }
  }
}

type Order = (from: Account, to: Account) => readonly [Account, Account];

const asGiven: Order = (from, to) => [from, to];
const byId: Order = (from, to) => (from.id < to.id ? [from, to] : [to, from]);

async function transfer(sim: Sim, from: Account, to: Account, order: Order): Promise<void> {
  const [first, second] = order(from, to);
  await first.locked(async () => {
    await sim.io("audit");
    await second.locked(async () => {
      from.balance -= 10;
      await sim.io("journal");
      to.balance += 10;
    });
  });
}

const program =
  (order: Order): SimBody =>
  async (sim) => {
    const [a, b] = [new Account(1), new Account(2)];
    const there = sim.spawn("there", () => transfer(sim, a, b, order));
    const back = sim.sleep(20).then(() => sim.spawn("back", () => transfer(sim, b, a, order)));
    await Promise.all([there, back]);
    if (a.balance + b.balance !== 200) throw new Error(`there are ${a.balance + b.balance} coins instead of 200`);
  };

export const oppositeLocks: Bug = {
  name: "opposite-locks",
  pattern: "two tasks take the same two locks in opposite orders (ABBA)",
  kind: "deadlock",
  buggy: program(asGiven),
  fixed: program(byId),
};
