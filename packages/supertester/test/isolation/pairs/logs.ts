import assert from "node:assert/strict";
import { Console } from "node:console";
import { pino } from "pino";
import { isolateLogger } from "../../../src/index.ts";
import type { Pair } from "./pair.ts";

// The application's logger is a module-level singleton, as usual, with a child made before any test.
const written: string[] = [];
const logger = pino(
  { level: "info", base: null, timestamp: false },
  { write: (line: string) => void written.push(line) },
);
const child = logger.child({ part: "billing" });
isolateLogger(logger);

/** A second one, whose level tests change. */
const quiet = pino(
  { level: "warn", base: null, timestamp: false },
  { write: (line: string) => void written.push(line) },
);
isolateLogger(quiet);

/** A console that some library captured for itself before any test. */
const early = new Console(process.stdout, process.stderr);

function spyOn(target: { write: unknown } | { log: unknown }, method: "write" | "log", into: string[]): () => void {
  const holder = target as Record<string, unknown>;
  const original = holder[method];
  holder[method] = (text: string) => {
    into.push(text.trimEnd());
    return true;
  };
  return () => (holder[method] = original);
}

export const pairs: readonly Pair[] = [
  {
    promise: "console lines, also those after an await",
    async bare({ n, pause }) {
      const lines: string[] = [];
      const restore = spyOn(console, "log", lines);
      console.log(`first ${n}`);
      await pause();
      console.log(`second ${n}`);
      restore();
      assert.deepEqual(lines, [`first ${n}`, `second ${n}`]);
    },
    async kit({ n, pause }, scope) {
      console.log(`first ${n}`);
      await pause();
      console.log(`second %d`, n);
      const records = await scope.logs.exactly(2);
      assert.deepEqual(
        records.map(({ message, source }) => `${source}: ${message}`),
        [`console: first ${n}`, `console: second ${n}`],
      );
    },
  },
  {
    promise: "console groups and counters",
    async bare({ n, pause }) {
      const lines: string[] = [];
      const own = { write: (text: string) => void lines.push(text.trimEnd()) } as unknown as NodeJS.WritableStream;
      const shared = sharedConsole(own);
      shared.group(`group ${n}`);
      await pause();
      shared.log(`inside ${n}`);
      shared.groupEnd();
      assert.deepEqual(lines, [`group ${n}`, `  inside ${n}`]);
    },
    async kit({ n, pause }, scope) {
      console.group(`group ${n}`);
      await pause();
      console.log(`inside ${n}`);
      console.groupEnd();
      console.count();
      const records = await scope.logs.exactly(3);
      assert.deepEqual(
        records.map(({ message }) => message),
        [`group ${n}`, `  inside ${n}`, "default: 1"],
      );
    },
  },
  {
    promise: "writes to process.stdout and process.stderr",
    async bare({ n, pause }) {
      const lines: string[] = [];
      const restore = spyOn(process.stdout, "write", lines);
      process.stdout.write(`first ${n}\n`);
      await pause();
      process.stdout.write(`second ${n}\n`);
      restore();
      assert.deepEqual(lines, [`first ${n}`, `second ${n}`]);
    },
    async kit({ n, pause }, scope) {
      process.stdout.write(`first ${n}\n`);
      await pause();
      process.stderr.write(Buffer.from(`second ${n}\n`));
      early.log(`third ${n}`);
      const records = await scope.logs.exactly(3);
      assert.deepEqual(
        records.map(({ source, message }) => `${source} ${message}`),
        [`stdout first ${n}`, `stderr second ${n}`, `stdout third ${n}`],
      );
    },
  },
  {
    promise: "lines of a pino singleton and of its children",
    async bare({ n, pause }) {
      written.length = 0;
      logger.info({ n }, "order");
      await pause();
      child.warn({ n }, "charge");
      assert.deepEqual(
        written.map((line) => (JSON.parse(line) as { n: number }).n),
        [n, n],
      );
    },
    async kit({ n, pause }, scope) {
      logger.info({ n }, "order");
      await pause();
      child.warn({ n }, "charge");
      const records = await scope.logs.exactly(2);
      assert.deepEqual(
        records.map(({ source, level, message, fields }) => ({ source, level, message, fields })),
        [
          { source: "pino", level: 30, message: "order", fields: { n } },
          { source: "pino", level: 40, message: "charge", fields: { part: "billing", n } },
        ],
      );
    },
  },
  {
    promise: "a logger's level",
    async bare({ n, pause }) {
      written.length = 0;
      quiet.level = n % 2 === 0 ? "debug" : "warn";
      await pause();
      quiet.debug({ n }, "detail");
      assert.equal(written.length, n % 2 === 0 ? 1 : 0);
    },
    async kit({ n, pause }, scope) {
      if (n % 2 === 0) scope.logs.setLevel("debug");
      await pause();
      quiet.debug({ n }, "detail");
      await scope.logs.exactly(n % 2 === 0 ? 1 : 0);
    },
  },
];

let current: Console | undefined;

/** One console for the process, as the global one is; its output goes to whoever asked last. */
function sharedConsole(stdout: NodeJS.WritableStream): Console {
  sink = stdout;
  return (current ??= new Console({
    stdout: { write: (text: string) => sink?.write(text) } as unknown as NodeJS.WritableStream,
    ignoreErrors: false,
  }));
}
let sink: NodeJS.WritableStream | undefined;
