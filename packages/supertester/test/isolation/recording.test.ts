import { channel } from "node:diagnostics_channel";
import { readFile } from "node:fs";
import { MessageChannel } from "node:worker_threads";
import { test } from "vitest";
import { ExpectationError, isolate, NotSettledError, type Recording } from "../../src/index.ts";

const caught = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

test("an exact count sees a surplus that comes later", async ({ expect }) => {
  const orders = channel("recording:surplus");
  await isolate(async (scope) => {
    const seen = scope.capture("recording:surplus");
    orders.publish(1);
    setTimeout(() => setImmediate(() => orders.publish(2)), 2);
    const error = await caught(seen.exactly(1));
    expect(error).toBeInstanceOf(ExpectationError);
    expect((error as ExpectationError).message).toBe(
      'expected exactly 1 messages on "recording:surplus", recorded 2:\n  1\n  2',
    );
    expect((error as ExpectationError).recorded).toEqual([1, 2]);
  });
});

test("one, some, none and where check what they say", async ({ expect }) => {
  const orders = channel("recording:checks");
  await isolate(async (scope) => {
    const seen: Recording<number> = scope.capture("recording:checks");
    await seen.none();
    await expect(seen.some()).rejects.toThrow("expected at least one");
    await expect(seen.one()).rejects.toThrow("expected exactly 1");
    for (const n of [1, 2, 3]) orders.publish(n);
    const isEven = (n: number) => n % 2 === 0;
    expect(await seen.where(isEven).one()).toBe(2);
    expect(await seen.some()).toEqual([1, 2, 3]);
    expect([seen.length, [...seen]]).toEqual([3, [1, 2, 3]]);
    await expect(seen.where(isEven).none()).rejects.toThrow(
      /expected none isEven messages on "recording:checks", recorded 1:\n {2}2/,
    );
  });
});

test("a failed count shows what was emitted without an owner meanwhile", async ({ expect }) => {
  const orders = channel("recording:lost");
  const jobs: (() => void)[] = [];
  const loop = setInterval(() => {
    for (const job of jobs.splice(0)) job();
  }, 0);
  await isolate(async (scope) => {
    const seen = scope.capture("recording:lost");
    const done = new Promise<void>((resolve) => {
      jobs.push(() => {
        orders.publish({ n: 7 });
        resolve();
      });
    });
    await done;
    const error = (await caught(seen.exactly(1))) as ExpectationError;
    expect(error.message).toMatch(
      /recorded 0:\nUnattributed while the test ran \(1\).*`bind`.*\n {2}event recording:lost \(no owner\): \{ n: 7 \}/,
    );
    expect(error.unattributed.map(({ value }) => value)).toEqual([{ n: 7 }]);
    expect(scope.unattributed.filter(({ name }) => name === "recording:lost")).toHaveLength(1);
  });
  clearInterval(loop);
});

test("what a test emits after its end is shown as late, with its name", async ({ expect }) => {
  const orders = channel("recording:late");
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  await isolate({ id: "the observer" }, async (observer) => {
    let late: Promise<void> = Promise.resolve();
    await isolate({ id: "the late one", channels: ["recording:late"] }, () => {
      late = gate.then(() => orders.publish("too late"));
    });
    open();
    await late;
    const lost = observer.unattributed.filter(({ name }) => name === "recording:late");
    expect(lost.map(({ value, lateFrom }) => ({ value, lateFrom }))).toEqual([
      { value: "too late", lateFrom: "the late one" },
    ]);
  });
});

test("a test that does not come to rest gets told what it waits for, not a wrong answer", async ({ expect }) => {
  await isolate(async (scope) => {
    const timer = setTimeout(() => undefined, 1_000_000);
    const server = await scope.listen(() => undefined);
    const aborting = new AbortController();
    const request = fetch(`${server.url}/never`, { signal: aborting.signal });
    const error = (await caught(scope.logs.none({ limitMs: 20 }))) as NotSettledError;
    expect(error).toBeInstanceOf(NotSettledError);
    expect(error.pending).toEqual([
      `HTTP request GET ${server.url}/never`,
      expect.stringMatching(/^Timeout created at .*recording\.test\.ts:\d+:\d+$/),
    ]);
    clearTimeout(timer);
    aborting.abort();
    await expect(request).rejects.toThrow();
    await scope.settled();
  });
});

test("standing background work does not keep a test from rest", async ({ expect }) => {
  await isolate(async (scope) => {
    const timers = [setInterval(() => undefined, 1), setTimeout(() => undefined, 1_000_000).unref()];
    await scope.listen(() => undefined);
    await scope.logs.none();
    expect(scope.operations["TCPSERVERWRAP"]).toBe(1);
    for (const timer of timers) clearInterval(timer);
  });
});

test("file, DNS, compression and crypto work under way counts as not at rest", async ({ expect }) => {
  const { gzip } = await import("node:zlib");
  const { scrypt } = await import("node:crypto");
  const { lookup } = await import("node:dns");
  await isolate(async (scope) => {
    const done: string[] = [];
    readFile(import.meta.filename, () => done.push("file"));
    gzip("text", () => done.push("zlib"));
    scrypt("a", "b", 16, () => done.push("crypto"));
    lookup("localhost", () => done.push("dns"));
    await scope.settled();
    expect(done.sort()).toEqual(["crypto", "dns", "file", "zlib"]);
  });
});

test("a message on its way through a port is waited for, though no resource of Node stands for it", async ({
  expect,
}) => {
  const orders = channel("recording:port");
  await isolate(async (scope) => {
    const seen = scope.capture("recording:port");
    const { port1, port2 } = new MessageChannel();
    port1.on("message", (n) => {
      orders.publish(n);
      if (n < 5) port2.postMessage(n + 1);
    });
    // From a callback of the poll phase, after which the loop comes by its immediates first.
    await new Promise<void>((resolve) => readFile(import.meta.filename, () => resolve()));
    port2.postMessage(1);
    expect(await seen.exactly(5)).toEqual([1, 2, 3, 4, 5]);
    port1.close();
  });
});
