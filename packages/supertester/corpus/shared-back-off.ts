import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

/** After a 429 every client of this process pauses. */
class Gate {
  #pausedUntil = 0;

  pause(ms: number): void {
    this.#pausedUntil = Date.now() + ms;
  }

  get isPaused(): boolean {
    return Date.now() < this.#pausedUntil;
  }

  async passed(): Promise<void> {
    while (this.isPaused) await new Promise((resolve) => setTimeout(resolve, this.#pausedUntil - Date.now()));
  }
}

/** Waits until a request may be sent; resolves with the token to send. */
type Prepare = (gate: Gate, token: () => Promise<string>) => Promise<string>;

const lookThenFetchToken: Prepare = async (gate, token) => {
  await gate.passed();
  return await token();
};

const fetchTokenThenLook: Prepare = async (gate, token) => {
  const current = await token();
  await gate.passed();
  return current;
};

const program =
  (prepare: Prepare): SimBody =>
  async (sim: Sim) => {
    let requests = 0;
    let sentWhilePaused = 0;
    sim.http("api.test", () => (++requests === 1 ? { status: 429, headers: { "retry-after": "1" } } : { body: "ok" }));
    const gate = new Gate();
    const client = async () => {
      for (;;) {
        const authorization = await prepare(gate, () => sim.io("token", () => "token"));
        if (gate.isPaused) sentWhilePaused++;
        const { status } = await fetch("http://api.test/", { headers: { authorization } });
        if (status !== 429) return;
        gate.pause(1000);
      }
    };
    await Promise.all([sim.spawn("A", client), sim.spawn("B", client)]);
    if (sentWhilePaused > 0) throw new Error("a request was sent during the pause that the server asked for");
  };

export const sharedBackOff: Bug = {
  name: "shared-back-off",
  pattern: "the pause after a 429 is looked at before an await, and the request is sent after it",
  kind: "assertion",
  buggy: program(lookThenFetchToken),
  fixed: program(fetchTokenThenLook),
};
