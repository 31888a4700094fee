import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { watch } from "node:fs";
import { connect, createServer } from "node:net";
import { Worker } from "node:worker_threads";
import { createSocket } from "node:dgram";
import { describe, test } from "vitest";
import { isolate, LeakError, watchListeners, type LeakRules } from "../../src/index.ts";

const caught = async (work: Promise<unknown>): Promise<LeakError> =>
  work.then(
    () => {
      throw new Error("expected a leak");
    },
    (error: unknown) => error as LeakError,
  );

const idle = "setInterval(() => {}, 1_000_000)";

/** What to leak; answers how to take it away again. */
const leaky: Readonly<Record<string, () => (() => unknown) | Promise<() => unknown>>> = {
  interval: () => {
    const timer = setInterval(() => undefined, 1_000_000);
    return () => clearInterval(timer);
  },
  timeout: () => {
    const timer = setTimeout(() => undefined, 1_000_000);
    return () => clearTimeout(timer);
  },
  "TCP server": async () => {
    const server = createServer().listen(0, "localhost");
    await once(server, "listening");
    return () => server.close();
  },
  "UDP socket": async () => {
    const socket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(socket, "listening");
    return () => socket.close();
  },
  "file watcher": () => {
    const watcher = watch(import.meta.dirname);
    return () => watcher.close();
  },
  "worker thread": () => {
    const worker = new Worker(idle, { eval: true });
    return () => worker.terminate();
  },
  "child process": () => {
    const child = spawn(process.execPath, ["-e", idle], { stdio: "ignore" });
    return () => child.kill();
  },
  'listener for "SIGUSR2" on process': () => {
    const listener = () => undefined;
    process.on("SIGUSR2", listener);
    return () => process.off("SIGUSR2", listener);
  },
};

describe("what a test leaves behind is named with the line that made it", () => {
  for (const [name, leak] of Object.entries(leaky)) {
    test(`${name}, left open`, async ({ expect }) => {
      let takeAway: () => unknown = () => undefined;
      const error = await caught(isolate({ id: "the leaky one" }, async () => (takeAway = await leak())));
      await takeAway();
      expect(error).toBeInstanceOf(LeakError);
      expect(error.message).toContain('"the leaky one" left something behind');
      expect(error.leaks.map(({ description }) => description)).toEqual([
        expect.stringMatching(new RegExp(`^${name} (?:created|added) at .*leaks\\.test\\.ts:\\d+:\\d+$`)),
      ]);
    });

    test(`${name}: taken away in time, it is no leak`, async ({ expect }) => {
      const clean = isolate(async () => {
        const takeAway = await leak();
        await takeAway();
      });
      await expect(clean).resolves.toBeUndefined();
    });
  }

  test("both ends of a connection, each its own line", async ({ expect }) => {
    let takeAway: () => void = () => undefined;
    const error = await caught(
      isolate(async (scope) => {
        const server = createServer();
        await scope.listen(server);
        // The server closes with its connections; the client that reconnects nowhere stays half open.
        const client = connect({
          port: (server.address() as { port: number }).port,
          host: "127.0.0.1",
          allowHalfOpen: true,
        });
        await once(client, "connect");
        takeAway = () => client.destroy();
      }),
    );
    takeAway();
    expect(error.leaks.map(({ description }) => description)).toEqual([
      expect.stringMatching(/^TCP socket created at .*leaks\.test\.ts/),
    ]);
  });
});

describe("what is no leak", () => {
  test("unref'd timers and idle keep-alive connections, which hold no process", async ({ expect }) => {
    await isolate(async (scope) => {
      setInterval(() => undefined, 1_000_000).unref();
      const { url } = await scope.listen((_request, response) => response.end("done"));
      expect(await (await fetch(url)).text()).toBe("done");
    });
  });

  test("a listener that fired once, or was removed", async ({ expect }) => {
    const bus = new EventEmitter();
    watchListeners(bus);
    const clean = isolate(() => {
      bus.once("event", () => undefined);
      bus.emit("event");
      const listener = () => undefined;
      bus.on("event", listener);
      bus.removeListener("event", listener);
    });
    await expect(clean).resolves.toBeUndefined();
  });
});

describe("rules", () => {
  const rules: readonly (readonly [string, LeakRules | "off"])[] = [
    ["off for timers", { timers: "off" }],
    ["off for everything", "off"],
    ["an allow-list by kind", { allow: [/^interval/] }],
    ["an allow-list by line", { allow: [/leaks\.test\.ts:\d+/] }],
  ];
  for (const [name, leaks] of rules) {
    test(`${name} permits an interval`, async ({ expect }) => {
      const timer = await isolate({ leaks }, () => setInterval(() => undefined, 1_000_000));
      expect(timer.hasRef()).toBe(true);
      clearInterval(timer);
    });
  }

  test("a rule for one kind leaves the others as they are", async ({ expect }) => {
    let timer: NodeJS.Timeout | undefined;
    const error = await caught(
      isolate({ leaks: { handles: "off", allow: [/^timeout/] } }, () => {
        timer = setInterval(() => undefined, 1_000_000);
      }),
    );
    clearInterval(timer);
    expect(error.leaks).toHaveLength(1);
  });

  test("warn prints the leak and lets the test pass", async ({ expect }) => {
    const warned = new Promise<Error>((resolve) => {
      const onWarning = (warning: Error) => {
        if (!warning.message.includes('"only warned"')) return;
        process.off("warning", onWarning);
        resolve(warning);
      };
      process.on("warning", onWarning);
    });
    const timer = await isolate({ id: "only warned", leaks: "warn" }, () => setInterval(() => undefined, 1_000_000));
    clearInterval(timer);
    expect((await warned).message).toMatch(/interval created at .*leaks\.test\.ts/);
  });
});

test("a rejection that nobody handled fails its test, with the rejection as cause", async ({ expect }) => {
  // Under vitest a listener of its own would fail the whole run too, so this looks from a process without one.
  const script = `
    const { isolate } = await import(${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)});
    const work = isolate({ id: "careless" }, () => { setTimeout(() => { void Promise.reject(new RangeError("lost")); }, 5); return new Promise((r) => setTimeout(r, 20)); });
    await work.then(() => console.log("passed"), (e) => console.log(e.name, e.message.split("\\n")[1], e.cause.name));
    void Promise.reject(new TypeError("nobody's"));
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
  let output = "";
  child.stdout.on("data", (chunk) => (output += String(chunk)));
  let errors = "";
  child.stderr.on("data", (chunk) => (errors += String(chunk)));
  const [code] = (await once(child, "close")) as [number];
  expect(output).toMatch(/^LeakError {3}unhandled rejection: RangeError: lost thrown at .* RangeError\n$/);
  // Outside every test nothing has changed: the process dies of it.
  expect([code, errors]).toEqual([1, expect.stringContaining("nobody's")]);
});

test("a rejection that comes after its test has ended is kept, with the test's name", async ({ expect }) => {
  const script = `
    const { isolate, unattributed } = await import(${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)});
    process.on("unhandledRejection", () => undefined);
    const { promise, resolve } = Promise.withResolvers();
    await isolate({ id: "careless" }, () => { void promise.then(() => Promise.reject(new RangeError("late"))); });
    resolve();
    await new Promise((done) => setTimeout(done, 5));
    const [{ kind, value, lateFrom }] = unattributed();
    console.log(kind, value.message, lateFrom);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
  let output = "";
  child.stdout.on("data", (chunk) => (output += String(chunk)));
  await once(child, "close");
  expect(output).toBe("rejection late careless\n");
});
