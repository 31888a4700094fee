import type { SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

type Outcome = "paid" | "refunded";

/** Calls `settle` with what became of an order: an answer in time is a payment, none is a refund. */
type Pay = (answer: Promise<unknown>, settle: (outcome: Outcome) => void) => Promise<void>;

const both: Pay = (answer, settle) =>
  new Promise((resolve) => {
    const limit = setTimeout(() => {
      settle("refunded");
      resolve();
    }, 100);
    void answer.finally(() => {
      clearTimeout(limit);
      settle("paid");
      resolve();
    });
  });

const firstOnly: Pay = (answer, settle) =>
  new Promise((resolve) => {
    let isSettled = false;
    const once = (outcome: Outcome) => {
      if (isSettled) return;
      isSettled = true;
      settle(outcome);
      resolve();
    };
    const limit = setTimeout(() => once("refunded"), 100);
    void answer.finally(() => {
      clearTimeout(limit);
      once("paid");
    });
  });

const program =
  (pay: Pay): SimBody =>
  async (sim) => {
    sim.http("pay.test", () => ({ json: { ok: true } }));
    const outcomes: Outcome[] = [];
    sim.always("an order is settled once", () => outcomes.length <= 1);
    const answer = fetch("http://pay.test/", { method: "POST" });
    await pay(answer, (outcome) => outcomes.push(outcome));
    await answer;
  };

export const timeoutVersusResponse: Bug = {
  name: "timeout-versus-response",
  pattern: "the time limit passes, and the answer that comes after all is acted on as well",
  kind: "invariant",
  buggy: program(both),
  fixed: program(firstOnly),
};
