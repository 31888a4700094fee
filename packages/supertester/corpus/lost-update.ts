import type { SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

const counter = "http://store.test/counter";

/** Adds 1 to a counter that a server stores. */
type Increment = () => Promise<void>;

const overwrite: Increment = async () => {
  const value = Number(await (await fetch(counter)).text());
  await fetch(counter, { method: "PUT", body: String(value + 1) });
};

const compareAndSwap: Increment = async () => {
  for (;;) {
    const value = await (await fetch(counter)).text();
    const headers = { "if-match": value };
    const { ok } = await fetch(counter, { method: "PUT", headers, body: String(Number(value) + 1) });
    if (ok) return;
  }
};

const program =
  (increment: Increment): SimBody =>
  async (sim) => {
    let value = 0;
    sim.http("store.test", ({ method, headers, body }) => {
      if (method === "GET") return { body: String(value) };
      if (headers["if-match"] !== undefined && headers["if-match"] !== String(value)) return { status: 412 };
      value = Number(body);
      return { status: 204 };
    });
    const later = sim.sleep(20).then(() => sim.spawn("B", increment));
    await Promise.all([sim.spawn("A", increment), later]);
    if (value !== 2) throw new Error(`the counter is ${value} after two increments`);
  };

export const lostUpdate: Bug = {
  name: "lost-update",
  pattern: "read, compute, write: the write of one client overwrites that of another",
  kind: "assertion",
  buggy: program(overwrite),
  fixed: program(compareAndSwap),
};
