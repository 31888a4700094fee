import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

/** Sends messages that are numbered and signed; the server takes them in the order of their numbers only. */
class Sender {
  #next = 1;
  readonly #sim: Sim;

  constructor(sim: Sim) {
    this.#sim = sim;
  }

  async send(text: string): Promise<void> {
    const id = this.#next++;
    const signature = await this.#sim.io("sign", () => `${id} by me`);
    const response = await fetch(`http://api.test/${id}`, { method: "POST", body: text, headers: { signature } });
    if (response.status === 409) throw new Error("the server refused a message that came out of order");
  }
}

/** The next message is numbered when the one before has been taken. */
class OrderedSender extends Sender {
  #last: Promise<void> = Promise.resolve();

  override send(text: string): Promise<void> {
    return (this.#last = this.#last.then(() => super.send(text)));
  }
}

const program =
  (SomeSender: typeof Sender): SimBody =>
  async (sim) => {
    let expected = 1;
    sim.http("api.test", ({ path }) => (path === `/${expected++}` ? { status: 204 } : { status: 409 }));
    const sender = new SomeSender(sim);
    await Promise.all([sender.send("first"), sim.sleep(20).then(() => sender.send("second"))]);
  };

export const outOfOrderIds: Bug = {
  name: "out-of-order-ids",
  pattern: "numbers are given out before an await, so messages leave in another order than their numbers",
  kind: "assertion",
  buggy: program(Sender),
  fixed: program(OrderedSender),
};
