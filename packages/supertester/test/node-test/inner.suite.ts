// What the tests of `supertester/node-test` look at from outside: run with `node --test`.
import assert from "node:assert/strict";
import { channel } from "node:diagnostics_channel";
import { describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { currentScope, test } from "../../src/node-test/index.ts";

const orders = channel("node-test:orders");

void describe("suite", { concurrency: true }, () => {
  for (let n = 0; n < 20; n += 1) {
    test(`passes ${n}`, async (t, scope) => {
      const seen = scope.capture("node-test:orders");
      t.after(() => orders.publish({ after: n }));
      await sleep(n % 5);
      orders.publish({ n });
      console.log("own line", n);
      process.env["WHO"] = String(n);
      await sleep(5 - (n % 5));
      assert.equal(process.env["WHO"], String(n));
      assert.deepEqual(await seen.exactly(1), [{ n }]);
      await scope.logs.matching("own line").exactly(1);
      await t.test("subtest", () => assert.equal(currentScope(), scope));
    });
  }

  test("fails with its log", async () => {
    await sleep(1);
    console.warn("the line before the failure");
    throw new Error("as it should");
  });

  test("leaks an interval", () => {
    setInterval(() => undefined, 1_000_000)
      .unref()
      .ref();
  });

  test(
    "has options",
    { timeout: 5000, isolation: { clock: "virtual", channels: ["node-test:orders"] } },
    async (_t, scope) => {
      await scope.clock.advance(5);
      await scope.events.none();
    },
  );

  test.skip("is skipped", () => {
    throw new Error("never");
  });
  test.todo("is to do");
});
