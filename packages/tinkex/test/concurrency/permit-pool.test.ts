import { getEventListeners } from "node:events";
import { test } from "vitest";
import { PermitPool } from "../../src/concurrency/permit-pool.ts";
import { settle } from "../support/virtual-runtime.ts";

test("no more than the limit are admitted, in the order of arrival, one per release", async ({ expect }) => {
  const pool = new PermitPool(2);
  const admitted: number[] = [];
  const permits = Array.from({ length: 5 }, async (_, caller) => {
    const permit = await pool.acquire();
    admitted.push(caller);
    return permit;
  });
  await settle();
  expect(admitted).toEqual([0, 1]);

  for (const [index, expected] of [
    [0, [0, 1, 2]],
    [1, [0, 1, 2, 3]],
    [2, [0, 1, 2, 3, 4]],
  ] as const) {
    (await permits[index]!).release();
    await settle();
    expect(admitted).toEqual(expected);
    expect(pool.inUse).toBe(2);
  }
});

test("a permit released twice is returned once", async ({ expect }) => {
  const pool = new PermitPool(1);
  const permit = await pool.acquire();
  permit.release();
  permit[Symbol.dispose]();
  expect(pool.inUse).toBe(0);
});

test("an aborted waiter leaves the queue, and the next release goes to the one behind it", async ({ expect }) => {
  const pool = new PermitPool(1);
  const first = await pool.acquire();
  const controller = new AbortController();
  const aborted = pool.acquire(1, controller.signal);
  const behind = pool.acquire();
  expect(pool.waiting).toBe(2);

  const reason = new Error("changed my mind");
  controller.abort(reason);
  await expect(aborted).rejects.toBe(reason);
  expect(pool.waiting).toBe(1);

  first.release();
  (await behind).release();
  expect(pool.inUse).toBe(0);
});

test("a signal that was used for waiting keeps no listener", async ({ expect }) => {
  const pool = new PermitPool(1);
  const { signal } = new AbortController();
  const first = await pool.acquire(1, signal);
  const second = pool.acquire(1, signal);
  first.release();
  (await second).release();
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
});

test("an item larger than the whole budget runs alone instead of waiting for ever", async ({ expect }) => {
  const bytes = new PermitPool(5);
  const large = await bytes.acquire(10);
  const small = bytes.acquire(1);
  await settle();
  expect(bytes.waiting).toBe(1);
  large.release();
  (await small).release();
  expect(bytes.inUse).toBe(0);
});

test("a newcomer cannot overtake a waiter even when there is room", async ({ expect }) => {
  const pool = new PermitPool(1);
  const first = await pool.acquire();
  const order: string[] = [];
  const waiter = pool.acquire().then((permit) => {
    order.push("waiter");
    permit.release();
  });
  first.release();
  const newcomer = pool.acquire().then((permit) => {
    order.push("newcomer");
    permit.release();
  });
  await Promise.all([waiter, newcomer]);
  expect(order).toEqual(["waiter", "newcomer"]);
});

test("4,096 waiters that all give up leave nothing behind", async ({ expect }) => {
  const pool = new PermitPool(1);
  const permit = await pool.acquire();
  const controller = new AbortController();
  const waiters = Array.from({ length: 4096 }, () => pool.acquire(1, controller.signal));
  controller.abort();
  const outcomes = await Promise.allSettled(waiters);
  expect(outcomes.every(({ status }) => status === "rejected")).toBe(true);
  permit.release();
  expect([pool.waiting, pool.inUse]).toEqual([0, 0]);
});
