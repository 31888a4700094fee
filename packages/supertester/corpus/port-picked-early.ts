import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

/** The ports of a machine. */
class Ports {
  readonly #bound = new Set<number>();

  free(): number {
    let port = 3000;
    while (this.#bound.has(port)) port++;
    return port;
  }

  bind(port: number): void {
    if (this.#bound.has(port)) throw new Error(`EADDRINUSE: address already in use :::${port}`);
    this.#bound.add(port);
  }
}

type Start = (sim: Sim, ports: Ports) => Promise<void>;

const pickThenBind: Start = async (sim, ports) => {
  const port = await sim.io("pick a port", () => ports.free());
  await sim.io(`listen`, () => ports.bind(port));
};

const bindAny: Start = async (sim, ports) => {
  await sim.io("listen", () => ports.bind(ports.free()));
};

const program =
  (start: Start): SimBody =>
  async (sim) => {
    const ports = new Ports();
    const later = sim.sleep(15).then(() => sim.spawn("B", () => start(sim, ports)));
    await Promise.all([sim.spawn("A", () => start(sim, ports)), later]);
  };

export const portPickedEarly: Bug = {
  name: "port-picked-early",
  pattern: "a free port is looked up and bound later, when another server may have it",
  kind: "assertion",
  buggy: program(pickThenBind),
  fixed: program(bindAny),
};
