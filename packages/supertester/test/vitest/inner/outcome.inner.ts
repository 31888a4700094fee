/* oxlint-disable vitest/expect-expect -- most of these fail, or are failed, on purpose */
import { channel } from "node:diagnostics_channel";
import { setTimeout as sleep } from "node:timers/promises";
import { currentScope } from "supertester";
import { test } from "supertester/vitest";
import { afterEach, beforeEach, describe, test as plain, vi } from "vitest";

const orders = channel("orders");
let attempts = 0;

beforeEach(() => console.log("before"));
afterEach(() => console.log("after"));

for (let n = 0; n < 20; n += 1) {
  test(`passes ${n}`, async ({ scope, logs, expect, onTestFinished }) => {
    const seen = scope.capture<{ n: number }>("orders");
    onTestFinished(() => orders.publish({ finished: n }));
    await sleep(n % 5);
    orders.publish({ n });
    console.log("own line", n);
    process.env["WHO"] = String(n);
    vi.stubEnv("STUBBED", String(n));
    await sleep(5 - (n % 5));
    expect([process.env["WHO"], process.env["STUBBED"]]).toEqual([String(n), String(n)]);
    expect(await seen.exactly(1)).toEqual([{ n }]);
    await logs.matching("own line").exactly(1);
    await logs.matching("before").exactly(1);
    scope.defer(async () => {
      await seen.exactly(2);
      await logs.matching("after").exactly(1);
    });
  });
}

test("configured channels reach the fixture", async ({ events, expect }) => {
  channel("configured").publish("message");
  expect((await events.one()).message).toBe("message");
});

plain("a clock asked for in the test's meta", { meta: { isolation: { clock: "virtual" } } }, async ({ expect }) => {
  let fired = false;
  setTimeout(() => (fired = true), 60_000);
  await currentScope().clock.advance(60_000);
  expect(fired).toBe(true);
});

plain("fails with its log", async ({ expect }) => {
  await sleep(2);
  console.warn("the line before the failure");
  await sleep(2);
  expect(1).toBe(2);
});

plain("leaks an interval", () => {
  setInterval(() => undefined, 1_000_000);
});

plain("hangs in its teardown", () => {
  currentScope().defer(function closeDatabase() {
    return new Promise(() => undefined);
  });
});

plain("fakes timers beside others", () => {
  vi.useFakeTimers();
});

plain("fakes the date beside others", () => {
  vi.setSystemTime(5);
});

describe("on its own", { concurrent: false }, () => {
  plain("may fake timers", ({ expect }) => {
    vi.useFakeTimers({ toFake: ["Date"], now: 5 });
    expect(Date.now()).toBe(5);
    vi.useRealTimers();
  });

  plain("hangs in its teardown with timers faked", () => {
    const scope = currentScope();
    scope.defer(() => vi.useRealTimers());
    scope.defer(() => new Promise(() => undefined));
    vi.useFakeTimers();
  });
});

plain("is cut by its time limit", { timeout: 30 }, async () => {
  const { signal } = currentScope();
  console.log("waiting");
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  process.env["AFTER_THE_LIMIT"] = "1";
  console.log("went on in the teardown");
});

plain("passes at the second attempt", { retry: 1 }, async ({ expect }) => {
  attempts += 1;
  console.log("try", attempts);
  await sleep(1);
  await currentScope().logs.matching("try").exactly(1);
  expect(attempts).toBe(2);
});
