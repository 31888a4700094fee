import { test } from "vitest";
import { isolate, TeardownError, type LeakError } from "../../src/index.ts";

const caught = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

test("what a test starts is ended in reverse order, each abort before its stop, and its signal before them all", async ({
  expect,
}) => {
  const steps: string[] = [];
  await isolate(async (scope) => {
    scope.signal.addEventListener("abort", () => steps.push("the test's signal"));
    scope.defer(() => steps.push("first deferred"));
    for (const name of ["database", "server"]) {
      const value = await scope.start({
        name,
        start(signal) {
          signal.addEventListener("abort", () => steps.push(`${name} aborted`));
          return { name };
        },
        stop: ({ name: started }) => steps.push(`${started} stopped`),
        kill: () => steps.push("killed"),
      });
      expect(value).toEqual({ name });
    }
    scope.defer(() => scope.defer(() => steps.push("deferred during the teardown")));
  });
  expect(steps).toEqual([
    "the test's signal",
    "deferred during the teardown",
    "server aborted",
    "server stopped",
    "database aborted",
    "database stopped",
    "first deferred",
  ]);
});

test("disposables end by themselves", async ({ expect }) => {
  const ended: string[] = [];
  await isolate(async (scope) => {
    await scope.start({ start: () => ({ [Symbol.asyncDispose]: async () => void ended.push("async") }) });
    await scope.start({ start: () => ({ [Symbol.dispose]: () => ended.push("sync") }) });
    await scope.start({ start: () => 7 });
  });
  expect(ended).toEqual(["sync", "async"]);
});

test("a stop that hangs is cut and followed by kill, and the test fails with the resource's name and line", async ({
  expect,
}) => {
  const steps: string[] = [];
  const error = await caught(
    isolate(async (scope) => {
      scope.defer(() => steps.push("the others are ended all the same"));
      await scope.start({
        name: "stubborn",
        start: () => undefined,
        stop: () => new Promise(() => undefined),
        kill: () => steps.push("killed"),
        limitMs: 5,
      });
    }),
  );
  expect(steps).toEqual(["killed", "the others are ended all the same"]);
  expect(error).toBeInstanceOf(TeardownError);
  expect((error as TeardownError).message).toMatch(
    /stubborn \(created at .*resource\.test\.ts:\d+:\d+\): stop hung and was cut/,
  );
  expect((error as TeardownError).failures).toEqual([
    { resource: "stubborn", createdAt: expect.stringContaining("resource.test.ts"), stage: "stop", hung: true },
  ]);
});

test("no clock of the test can stretch the limit of a teardown", async ({ expect }) => {
  const error = await caught(
    isolate({ clock: "virtual" }, (scope) => scope.defer(() => new Promise(() => undefined), { limitMs: 5 })),
  );
  expect((error as TeardownError).failures.map(({ hung }) => hung)).toEqual([true]);
});

test("errors of the body, the teardown and the leak check are all reported", async ({ expect }) => {
  const error = (await caught(
    isolate(async (scope) => {
      const timer = setInterval(() => undefined, 1_000_000);
      scope.signal.addEventListener("abort", () => setTimeout(() => clearInterval(timer), 200).unref());
      scope.defer(() => {
        throw new Error("first failing cleanup");
      });
      scope.defer(() => Promise.reject(new Error("second failing cleanup")));
      throw new Error("the body");
    }),
  )) as AggregateError;
  expect(error).toBeInstanceOf(AggregateError);
  const [body, teardown, leak] = error.errors as [Error, TeardownError, LeakError];
  expect(body.message).toBe("the body");
  expect(teardown.failures.map(({ cause }) => (cause as Error).message)).toEqual([
    "second failing cleanup",
    "first failing cleanup",
  ]);
  expect(leak.leaks.map(({ kind }) => kind)).toEqual(["timer"]);
});

test("a start that fails rejects, and has nothing to stop", async ({ expect }) => {
  const stopped: unknown[] = [];
  await isolate(async (scope) => {
    const failing = scope.start({
      start: () => Promise.reject(new Error("no port")),
      stop: (value) => stopped.push(value),
    });
    await expect(failing).rejects.toThrow("no port");
  });
  expect(stopped).toEqual([]);
});

test("a start that is under way when the test ends is aborted", async ({ expect }) => {
  let reason: unknown;
  await isolate((scope) => {
    const starting = scope.start({
      start: (signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => {
            reason = signal.reason;
            reject(signal.reason as Error);
          });
        }),
    });
    starting.catch(() => undefined);
  });
  expect(reason).toEqual(new Error("the test has ended"));
});
