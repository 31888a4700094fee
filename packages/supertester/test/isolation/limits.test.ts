// What the README's table says cannot be isolated, shown.
import { execFile } from "node:child_process";
import { EventEmitter } from "node:events";
import { open, type FileHandle } from "node:fs/promises";
import { homedir } from "node:os";
import { promisify } from "node:util";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { pino } from "pino";
import { test, vi } from "vitest";
import { isolate, isolateLogger, scopeMeterProvider, SharedTable } from "../../src/index.ts";

const index = JSON.stringify(new URL("../../src/index.ts", import.meta.url).href);

/** Runs a module in a process of its own; resolves to what it printed. */
async function script(text: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", text]);
  return stdout.trim();
}

test("observable instruments report to their collector, not to a test", async ({ expect }) => {
  const gauge = scopeMeterProvider(new MeterProvider()).getMeter("limits").createObservableGauge("depth");
  await isolate(async (scope) => {
    gauge.addCallback((result) => result.observe(1));
    expect(await scope.measurements().exactly(0)).toEqual([]);
  });
});

test("what a child process writes to an inherited stream does not pass through this process", async ({ expect }) => {
  const output = await script(`
    import { spawn } from "node:child_process";
    import { once } from "node:events";
    const { isolate } = await import(${index});
    const own = await isolate(async (scope) => {
      process.stdout.write("captured");
      await once(spawn(process.execPath, ["-e", "console.log('the child')"], { stdio: "inherit" }), "exit");
      return String(scope.logs);
    });
    console.log(own);`);
  expect(output.split("\n")).toEqual(["the child", "stdout info: captured"]);
});

test("a pino child made before, with a level of its own, needs its own call for its level", async ({ expect }) => {
  const logger = pino({ base: null }, { write: () => undefined });
  const [without, withCall] = [logger.child({}, { level: "warn" }), logger.child({}, { level: "warn" })];
  isolateLogger(logger);
  isolateLogger(withCall);
  await isolate(async (scope) => {
    scope.logs.setLevel("debug");
    without.debug("lost");
    withCall.debug("kept");
    logger.debug("kept");
    const records = await scope.logs.exactly(2);
    expect(records.map(({ message }) => message)).toEqual(["kept", "kept"]);
  });
});

test("a value taken out of a table before the test is the process's", async ({ expect }) => {
  const table = new SharedTable("prices", { mode: "snapshot", entries: [["tea", { price: 3 }]] });
  const tea = table.get("tea");
  await isolate(() => {
    if (tea !== undefined) tea.price = 4;
    expect(table.get("tea")).toEqual({ price: 4 });
  });
  expect(table.get("tea")).toEqual({ price: 4 });
});

test("native code reads the real environment", async ({ expect }) => {
  const home = homedir();
  await isolate(() => {
    process.env["HOME"] = "/elsewhere";
    expect(homedir()).toBe(home);
  });
});

test("references taken before the kit was installed reach the process's environment and clock", async ({ expect }) => {
  const output = await script(`
    const { env } = process;
    const { now } = Date;
    const { isolate } = await import(${index});
    await isolate({ clock: { epoch: 0 } }, () => {
      env.EARLY = "set";
      console.error("");
      process.env.LATE = "set";
      globalThis.seen = [now() > 0, Date.now()];
    });
    console.log([...seen, process.env.EARLY, process.env.LATE].join(" "));`);
  expect(output).toBe("true 0 set");
});

test("listeners on an emitter that nobody watches, and things that hold no process, are not reported", async ({
  expect,
}) => {
  const bus = new EventEmitter();
  const clean = isolate(() => {
    bus.on("event", () => undefined);
    setInterval(() => undefined, 1_000_000).unref();
  });
  await expect(clean).resolves.toBeUndefined();
});

test("open file handles are not seen: Node makes them outside of the async context", async ({ expect }) => {
  let file: FileHandle | undefined;
  await expect(isolate(async () => void (file = await open(import.meta.filename)))).resolves.toBeUndefined();
  await file?.close();
});

test("mocks of the runner change what every test sees", async ({ expect }) => {
  const mailer = { send: () => "sent" };
  await isolate(() => vi.spyOn(mailer, "send").mockReturnValue("mocked"));
  expect(await isolate(() => mailer.send())).toBe("mocked");
});
