import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { pino } from "pino";
import { test } from "vitest";
import { isolate, isolateLogger, logLevels } from "../../src/index.ts";

test("the log reads as text, a line per record, with the properties of structured ones", async ({ expect }) => {
  const logger = pino({ name: "billing" }, { write: () => undefined });
  isolateLogger(logger);
  const text = await isolate((scope) => {
    console.debug("a", { b: 1 });
    console.error(new RangeError("boom").message);
    console.assert(1 === Number("2"), "unequal");
    logger.fatal({ order: 7 }, "lost %s", "it");
    process.stdout.write("raw\n");
    return String(scope.logs);
  });
  expect(text.split("\n")).toEqual([
    "console debug: a { b: 1 }",
    "console error: boom",
    "console error: Assertion failed: unequal",
    'pino fatal: lost it {"name":"billing","order":7}',
    "stdout info: raw",
  ]);
});

test("records are asserted by level, pattern and field", async ({ expect }) => {
  await isolate(async ({ logs }) => {
    console.log("order", { id: 7 });
    console.warn("slow");
    console.error("failed");
    await logs.atLeast("warn").exactly(2);
    await logs.atLeast("fatal").none();
    await logs.matching(/^s/g).one();
    // A stateful pattern does not make the second check different.
    await logs.matching(/^s/g).one();
    const { fields, level } = await logs.matching("order").one();
    expect([fields, level]).toEqual([{ arguments: ["order", { id: 7 }] }, logLevels.info]);
    await expect(logs.matching("absent").some()).rejects.toThrow(
      "expected at least one absent log records, recorded 0.",
    );
  });
});

test("a level set for one test leaves out what is below it, there only", async ({ expect }) => {
  const [strict, lax] = await Promise.all([
    isolate({ logLevel: "error" }, (scope) => {
      console.log("chatter");
      console.error("failure");
      return String(scope.logs);
    }),
    isolate((scope) => {
      console.log("chatter");
      return String(scope.logs);
    }),
  ]);
  expect([strict, lax]).toEqual(["console error: failure", "console info: chatter"]);
});

test("lines that are not JSON, and levels by name, are kept", async ({ expect }) => {
  const labelled = pino(
    { formatters: { level: (label) => ({ level: label }) }, base: null },
    { write: () => undefined },
  );
  isolateLogger(labelled);
  isolateLogger(labelled);
  const broken = pino({ base: null }, { write: () => undefined });
  const stream = Object.getOwnPropertySymbols(broken).find(({ description }) => description === "pino.stream");
  isolateLogger(broken);
  await isolate(async ({ logs }) => {
    labelled.error("named");
    (broken as unknown as Record<symbol, { write(line: string): void }>)[stream!]!.write("not json\n");
    const records = await logs.exactly(2);
    expect(records.map(({ level, message }) => [level, message])).toEqual([
      [50, "named"],
      [30, "not json"],
    ]);
  });
});

test("a pino transport in a worker thread and pino's own stdout are routed too, and reach their end outside tests", async ({
  expect,
}) => {
  const script = `
    import { once } from "node:events";
    import { pino } from "pino";
    const { isolate, isolateLogger } = await import(${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)});
    const transport = pino.transport({ target: "pino/file", options: { destination: 1 } });
    const loggers = [pino({ base: null, timestamp: false }, transport), pino({ base: null, timestamp: false })];
    loggers.forEach(isolateLogger);
    const own = await isolate(async (scope) => {
      for (const logger of loggers) logger.child({ part: 1 }).info("inside");
      return String(scope.logs);
    });
    for (const logger of loggers) logger.info("outside");
    // The transport's thread does not hold the process by itself.
    const held = setInterval(() => undefined, 1000);
    const closed = once(transport, "close");
    transport.end();
    await closed;
    clearInterval(held);
    console.log(own);
  `;
  const args = ["--input-type=module", "-e", script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname });
  expect(stdout.trim().split("\n").toSorted()).toEqual([
    'pino info: inside {"part":1}',
    'pino info: inside {"part":1}',
    '{"level":30,"msg":"outside"}',
    '{"level":30,"msg":"outside"}',
  ]);
});
