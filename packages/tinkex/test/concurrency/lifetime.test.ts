import { test } from "vitest";
import { Lifetime } from "../../src/concurrency/lifetime.ts";
import { ClosedError } from "../../src/errors.ts";
import { gate, isPending, settle } from "../support/virtual-runtime.ts";

test("closing waits for operations, then cuts background loops, then cleans up in reverse order", async ({
  expect,
}) => {
  const lifetime = new Lifetime("The client");
  const events: string[] = [];
  const operation = gate();
  lifetime.defer(() => void events.push("opened first"));
  lifetime.defer(() => void events.push("opened last"));
  void lifetime.track(operation.promise.then(() => events.push("operation")));
  lifetime.runInBackground(async (signal) => {
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  });
  const closing = lifetime.close();
  expect(await isPending(closing)).toBe(true);
  operation.resolve();
  await closing;
  expect(events).toEqual(["operation", "opened last", "opened first"]);
});

test("once closing has begun, new operations are refused", async ({ expect }) => {
  const lifetime = new Lifetime("The client");
  const child = new Lifetime("The child", lifetime);
  const closing = lifetime.close();
  expect(() => lifetime.assertOpen()).toThrow(ClosedError);
  expect(() => child.assertOpen()).toThrow(ClosedError);
  expect(() => new Lifetime("Too late", lifetime)).toThrow(ClosedError);
  await closing;
});

test("any number of closings are one", async ({ expect }) => {
  const lifetime = new Lifetime("The client");
  let cleanups = 0;
  lifetime.defer(async () => {
    await settle();
    cleanups += 1;
  });
  await Promise.all([lifetime.close(), lifetime.close(), lifetime.destroy()]);
  await lifetime.close();
  expect(cleanups).toBe(1);
});

test("destroy aborts what a close is still waiting for, children included", async ({ expect }) => {
  const lifetime = new Lifetime("The client");
  const child = new Lifetime("The child", lifetime);
  const stuck = child.track(
    new Promise((_, reject) => child.signal.addEventListener("abort", () => reject(child.signal.reason))),
  );
  const closing = lifetime.close();
  expect(await isPending(closing)).toBe(true);
  await lifetime.destroy();
  await closing;
  await expect(stuck).rejects.toThrow(ClosedError);
});

test("an aborted close becomes a destroy", async ({ expect }) => {
  const lifetime = new Lifetime("The client");
  const stuck = lifetime.track(
    new Promise((_, reject) => lifetime.signal.addEventListener("abort", () => reject(lifetime.signal.reason))),
  );
  const controller = new AbortController();
  const closing = lifetime.close(controller.signal);
  expect(await isPending(closing)).toBe(true);
  controller.abort();
  await closing;
  await expect(stuck).rejects.toThrow(ClosedError);
});

test("closing a child leaves its parent and siblings open", async ({ expect }) => {
  const parent = new Lifetime("The parent");
  const [one, two] = [new Lifetime("One", parent), new Lifetime("Two", parent)];
  await one.close();
  expect(() => parent.assertOpen()).not.toThrow();
  expect(() => two.assertOpen()).not.toThrow();
  expect(two.signal.aborted).toBe(false);
  await parent.close();
  expect(two.signal.aborted).toBe(true);
});
