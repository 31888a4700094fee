import type { SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

/** Charges a card, and tries again when there is no answer within 100 ms. */
async function charge(headers: Readonly<Record<string, string>>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const limit = new AbortController();
    const timer = setTimeout(() => limit.abort(), 100);
    try {
      await fetch("http://pay.test/charges", { method: "POST", headers, signal: limit.signal });
      return;
    } catch (error) {
      if (!limit.signal.aborted || attempt === 3) throw error;
    } finally {
      clearTimeout(timer);
    }
  }
}

const program =
  (headers: Readonly<Record<string, string>>): SimBody =>
  async (sim) => {
    const charges = new Set<string>();
    let requests = 0;
    sim.http(
      "pay.test",
      (request) => {
        charges.add(request.headers["idempotency-key"] ?? `request ${++requests}`);
        return { status: 201 };
      },
      { latency: [1, 150] },
    );
    try {
      await charge(headers);
    } catch (error) {
      if ((error as Error).name !== "AbortError") throw error;
    }
    if (charges.size > 1) throw new Error(`the card was charged ${charges.size} times`);
  };

export const retryAfterCommit: Bug = {
  name: "retry-after-commit",
  pattern: "a request that was carried out, but answered late, is sent and carried out again",
  kind: "assertion",
  buggy: program({}),
  fixed: program({ "idempotency-key": "order 1" }),
};
