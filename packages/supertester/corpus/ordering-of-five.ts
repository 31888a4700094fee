import type { SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

type Message = "payment" | "stock" | "address" | "invoice" | "label";

const messages: readonly Message[] = ["payment", "stock", "address", "invoice", "label"];

/** From a state, by a message, to a state; what is not listed leads to `collecting`, which takes everything. */
type Transitions = Readonly<Record<string, Partial<Readonly<Record<Message, string>>>>>;

/** Was written for the expected order, then patched for late payments; nobody thought of a label before its invoice. */
const patched: Transitions = {
  new: { payment: "paid", stock: "reserved" },
  paid: { stock: "ready" },
  reserved: { payment: "paid late" },
  "paid late": { address: "routed" },
  routed: { label: "printed" },
  printed: { invoice: "printing again" },
};

const complete: Transitions = { ...patched, printed: { invoice: "shipped" } };

const program =
  (transitions: Transitions): SimBody =>
  async (sim) => {
    let state = "new";
    let labels = 0;
    const receive = (message: Message) => {
      if (message === "label") labels++;
      state = transitions[state]?.[message] ?? "collecting";
      if (state === "printing again") labels++;
    };
    await Promise.all(messages.map((message) => sim.io(message, () => receive(message))));
    if (labels !== 1) throw new Error(`${labels} labels were printed`);
  };

export const orderingOfFive: Bug = {
  name: "ordering-of-five",
  pattern: "a state machine is wrong for one of the 120 orders in which five messages can arrive",
  kind: "assertion",
  buggy: program(patched),
  fixed: program(complete),
};
