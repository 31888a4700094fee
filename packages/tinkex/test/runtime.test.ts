import { getEventListeners } from "node:events";
import { test } from "vitest";
import { systemRuntime } from "../src/runtime.ts";

test("a sleep that is aborted rejects with the signal's reason and leaves no listener", async ({ expect }) => {
  const controller = new AbortController();
  const sleep = systemRuntime.sleep(2 ** 40, { signal: controller.signal, background: true });
  const reason = new Error("enough");
  controller.abort(reason);
  await expect(sleep).rejects.toBe(reason);
  await expect(systemRuntime.sleep(1, { signal: controller.signal })).rejects.toBe(reason);
});

test("a sleep that ends leaves no listener", async ({ expect }) => {
  const { signal } = new AbortController();
  await systemRuntime.sleep(0, { signal });
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
});

test("a sleep longer than a timer can be does not end at once", async ({ expect }) => {
  const controller = new AbortController();
  const long = systemRuntime.sleep(Number.MAX_SAFE_INTEGER, { signal: controller.signal, background: true });
  const first = await Promise.race([long.then(() => "long"), systemRuntime.sleep(5).then(() => "short")]);
  expect(first).toBe("short");
  controller.abort("over");
  await expect(long).rejects.toBe("over");
});
