import { test } from "vitest";
import { BackoffGate } from "../../src/concurrency/backoff-gate.ts";
import { VirtualRuntime, settle } from "../support/virtual-runtime.ts";

const never = new AbortController().signal;

test("a shorter pause does not shorten a longer one", ({ expect }) => {
  const gate = new BackoffGate(new VirtualRuntime());
  gate.shutFor(5000);
  gate.shutFor(1000);
  expect(gate.remainingMs).toBe(5000);
});

test("a waiter that wakes while the gate was shut anew goes on waiting", async ({ expect }) => {
  const runtime = new VirtualRuntime();
  const gate = new BackoffGate(runtime);
  gate.shutFor(1000);
  let entered = false;
  const waiter = gate.enter(never).then(() => {
    entered = true;
  });
  await runtime.advance(900);
  gate.shutFor(4100);
  await runtime.advance(4000);
  expect(entered).toBe(false);
  await runtime.advance(100);
  expect(entered).toBe(true);
  await waiter;
});

test("after a pause ten requests pass at a time, until ten quiet seconds are over", async ({ expect }) => {
  const runtime = new VirtualRuntime();
  const gate = new BackoffGate(runtime);
  gate.shutFor(1000);
  const inside: Disposable[] = [];
  const waiters = Array.from({ length: 50 }, async () => inside.push(await gate.enter(never)));
  await runtime.advance(1000);
  expect(inside).toHaveLength(10);
  inside[0]![Symbol.dispose]();
  await settle();
  expect(inside).toHaveLength(11);

  await runtime.advance(10_000);
  for (const passage of inside.slice()) passage[Symbol.dispose]();
  await settle();
  for (const passage of inside.slice(10)) passage[Symbol.dispose]();
  while (inside.length < 50) {
    for (const passage of inside.slice()) passage[Symbol.dispose]();
    await settle();
  }
  await Promise.all(waiters);
  const free = await Promise.all(Array.from({ length: 100 }, () => gate.enter(never)));
  expect(free).toHaveLength(100);
});

test("aborting a waiter frees its timer", async ({ expect }) => {
  const runtime = new VirtualRuntime();
  const gate = new BackoffGate(runtime);
  gate.shutFor(1000);
  const controller = new AbortController();
  const waiter = gate.enter(controller.signal);
  await settle();
  controller.abort("enough");
  await expect(waiter).rejects.toBe("enough");
  expect(runtime.pendingTimers).toBe(0);
});
