import assert from "node:assert/strict";
import { channel, subscribe, tracingChannel, unsubscribe } from "node:diagnostics_channel";
import type { Pair } from "./pair.ts";

// The application: it publishes what it does, knowing nothing of tests.
const orders = channel("pairs:orders");
const charges = tracingChannel<object, { n: number }>("pairs:charge");

async function order(n: number, pause: () => Promise<void>): Promise<void> {
  orders.publish({ n, step: "received" });
  await pause();
  orders.publish({ n, step: "shipped" });
}

const steps = (n: number) => [
  { n, step: "received" },
  { n, step: "shipped" },
];

export const pairs: readonly Pair[] = [
  {
    promise: "messages on a diagnostics channel",
    async bare({ n, pause }) {
      const seen: unknown[] = [];
      const listen = (message: unknown) => void seen.push(message);
      subscribe("pairs:orders", listen);
      await order(n, pause);
      unsubscribe("pairs:orders", listen);
      assert.deepEqual(seen, steps(n));
    },
    async kit({ n, pause }, scope) {
      const seen = scope.capture("pairs:orders");
      await order(n, pause);
      assert.deepEqual(await seen.exactly(2), steps(n));
    },
  },
  {
    promise: "events of a tracing channel",
    async bare({ n, pause }) {
      const seen: number[] = [];
      const listen = (message: unknown) => void seen.push((message as { n: number }).n);
      charges.asyncEnd.subscribe(listen);
      await charges.tracePromise(pause, { n });
      charges.asyncEnd.unsubscribe(listen);
      assert.deepEqual(seen, [n]);
    },
    async kit({ n, pause }, scope) {
      const seen = scope.trace<{ n: number }>("pairs:charge");
      await charges.tracePromise(pause, { n });
      const events = await seen.exactly(4);
      assert.deepEqual(
        events.map(({ message, channel: name }) => [message.n, name.slice("tracing:pairs:charge:".length)]),
        [
          [n, "start"],
          [n, "end"],
          [n, "asyncStart"],
          [n, "asyncEnd"],
        ],
      );
    },
  },
  {
    promise: "nothing was emitted, at rest rather than so far",
    async bare({ n, pause }) {
      const seen: unknown[] = [];
      const listen = (message: unknown) => void seen.push(message);
      subscribe("pairs:orders", listen);
      if (n % 2 === 0) setTimeout(() => orders.publish({ n, step: "late" }), 0);
      await pause();
      unsubscribe("pairs:orders", listen);
      assert.equal(seen.length, n % 2 === 0 ? 1 : 0);
    },
    async kit({ n }, scope) {
      const seen = scope.capture("pairs:orders");
      if (n % 2 === 0) setTimeout(() => orders.publish({ n, step: "late" }), 1);
      await (n % 2 === 0 ? seen.exactly(1) : seen.none());
    },
  },
];
