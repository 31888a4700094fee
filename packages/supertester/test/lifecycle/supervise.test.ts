import { spawn } from "node:child_process";
import { Worker } from "node:worker_threads";
import { test } from "vitest";
import { IsolationError, isolate, SupervisionError, type ChildSpec } from "../../src/index.ts";

const idle = "setInterval(() => {}, 1_000_000)";
const worker = (name: string, source = idle): ChildSpec => ({ name, start: () => new Worker(source, { eval: true }) });

test("one-for-one restarts the child that crashed, and only it", async ({ expect }) => {
  await isolate(async (scope) => {
    const supervisor = await scope.supervise({ children: [worker("a"), worker("b")] });
    const before = supervisor.child("b");
    await supervisor.crash("a");
    await supervisor.expectRestarts({ a: 1, b: 0 });
    expect(supervisor.child("b")).toBe(before);
    expect(supervisor.events.map(({ kind, child }) => `${child} ${kind}`)).toEqual([
      "a started",
      "b started",
      "a exited",
      "a restarted",
    ]);
    await expect(supervisor.expectRestarts({ a: 0, b: 0 })).rejects.toThrow(
      /restarted: a 1 times instead of 0:.*a exited \(1\)/s,
    );
  });
});

test("one-for-all restarts everybody, rest-for-one those after it", async ({ expect }) => {
  await isolate(async (scope) => {
    const children = [worker("a"), worker("b"), worker("c")];
    const all = await scope.supervise({ children, strategy: "one-for-all" });
    const rest = await scope.supervise({ children, strategy: "rest-for-one" });
    await Promise.all([all.crash("b"), rest.crash("b")]);
    await all.expectRestarts({ a: 1, b: 1, c: 1 });
    await rest.expectRestarts({ a: 0, b: 1, c: 1 });
    expect(rest.events.slice(3).map(({ kind, child }) => `${child} ${kind}`)).toEqual([
      "b exited",
      "c stopped",
      "b restarted",
      "c restarted",
    ]);
  });
});

test("a child that keeps failing makes the supervisor give up, with the whole story", async ({ expect }) => {
  await isolate(async (scope) => {
    const supervisor = await scope.supervise({
      children: [worker("a"), worker("bad", "throw new Error('boom')")],
      maxRestarts: 2,
    });
    const waiting = supervisor.restarted("bad", 5);
    await expect(waiting).rejects.toThrow(SupervisionError);
    await expect(waiting).rejects.toThrow(/bad was restarted 2 times, not 5, and the supervisor has gave-up/);
    expect(supervisor.state).toBe("gave-up");
    expect(
      supervisor.events
        .filter(({ child, kind }) => child === "bad" && kind === "exited")
        .map(({ error }) => (error as Error).message),
    ).toEqual(["boom", "boom", "boom"]);
    expect(supervisor.events.at(-1)).toMatchObject({ kind: "gave-up", child: "bad" });
  });
});

test("transient children restart after a failure only, temporary ones never", async ({ expect }) => {
  await isolate(async (scope) => {
    const supervisor = await scope.supervise({
      children: [
        { ...worker("done", ""), restart: "transient" },
        { ...worker("once", "process.exit(3)"), restart: "temporary" },
        { ...worker("crashing"), restart: "transient" },
      ],
    });
    await supervisor.crash("crashing");
    await supervisor.expectRestarts({ done: 0, once: 0, crashing: 1 });
    expect(supervisor.state).toBe("running");
  });
});

test("child processes are supervised alike, and one that ignores SIGTERM is killed", async ({ expect }) => {
  const events = await isolate(async (scope) => {
    const deaf = `process.on("SIGTERM", () => {}); process.stdout.write("up"); ${idle}`;
    const supervisor = await scope.supervise({
      children: [
        { name: "deaf", start: () => spawn(process.execPath, ["-e", deaf], { stdio: ["ignore", "pipe", "ignore"] }) },
      ],
      limitMs: 20,
    });
    await supervisor.crash("deaf");
    await supervisor.expectRestarts({ deaf: 1 });
    const child = supervisor.child("deaf") as ReturnType<typeof spawn>;
    await new Promise((resolve) => child.stdout?.once("data", resolve));
    return supervisor.events;
  });
  expect(events.map(({ kind, code }) => [kind, code])).toEqual([
    ["started", undefined],
    ["exited", "SIGKILL"],
    ["restarted", undefined],
    ["stopped", "SIGKILL"],
  ]);
});

test("a command that does not exist is a child that exited", async ({ expect }) => {
  await isolate(async (scope) => {
    const supervisor = await scope.supervise({
      children: [{ name: "absent", start: () => spawn("/no/such/command", { stdio: "ignore" }), restart: "temporary" }],
    });
    await supervisor.stable();
    expect(supervisor.events[0]).toMatchObject({ kind: "exited", code: "failed to start" });
  });
});

test("unknown, missing and doubled names are refused, because a check of them would check nothing", async ({
  expect,
}) => {
  await isolate(async (scope) => {
    const supervisor = await scope.supervise({ children: [worker("a")] });
    expect(() => supervisor.restarts("b")).toThrow(IsolationError);
    await expect(supervisor.expectRestarts({ b: 0 })).rejects.toThrow(/no supervised child is called "b"; there are a/);
    await expect(supervisor.expectRestarts({})).rejects.toThrow(/name every child/);
    for (const children of [[], [worker("a"), worker("a")]]) {
      await expect(scope.supervise({ children })).rejects.toThrow(/children with different names/);
    }
  });
});

test("waiting for a restart ends with its signal", async ({ expect }) => {
  await isolate(async (scope) => {
    const supervisor = await scope.supervise({ children: [worker("a")] });
    const aborting = new AbortController();
    const waiting = supervisor.restarted("a", 1, aborting.signal);
    aborting.abort(new Error("enough"));
    await expect(waiting).rejects.toThrow("enough");
  });
});
