import { Console } from "node:console";
import { processSingleton } from "../../context/process-singleton.ts";
import { activeLog, appendRecord, logLevels, recordUnowned, type LogRecord, type ScopeLog } from "./log-record.ts";

const levels: Readonly<Record<string, number>> = {
  trace: logLevels.trace,
  debug: logLevels.debug,
  warn: logLevels.warn,
  error: logLevels.error,
  assert: logLevels.error,
};

/** A console of one test's own: it formats like the real one, and its groups, counters and timers are the test's. */
interface TestConsole {
  readonly console: Console;
  call: { readonly level: number; readonly args: readonly unknown[] };
}

const consoles = () => processSingleton("test-consoles", () => new WeakMap<ScopeLog, TestConsole>());

function consoleOf(log: ScopeLog): TestConsole {
  const known = consoles().get(log);
  if (known !== undefined) return known;
  const sink = {
    write(text: string) {
      const { level, args } = made.call;
      const record: Omit<LogRecord, "sequence"> = {
        source: "console",
        level,
        message: text.replace(/\n$/, ""),
        fields: { arguments: args },
      };
      appendRecord(log, record);
      return true;
    },
  } as unknown as NodeJS.WritableStream;
  const made: TestConsole = {
    console: new Console({ stdout: sink, stderr: sink, ignoreErrors: false, colorMode: false }),
    call: { level: logLevels.info, args: [] },
  };
  consoles().set(log, made);
  return made;
}

/** Routes every method of the global console. Again for a console that a runner has put in the place of the first. */
export function installConsole(): void {
  const patched = processSingleton("patched-consoles", () => new WeakSet<object>());
  const target = globalThis.console as unknown as Record<string, unknown>;
  if (patched.has(target)) return;
  patched.add(target);
  for (const [method, original] of Object.entries(target)) {
    if (typeof original !== "function" || method === "Console") continue;
    const level = levels[method] ?? logLevels.info;
    target[method] = function routed(this: unknown, ...args: unknown[]): unknown {
      const log = activeLog();
      if (log === undefined) {
        recordUnowned("console", args);
        return Reflect.apply(original, this, args);
      }
      const own = consoleOf(log);
      own.call = { level, args };
      const to = own.console as unknown as Record<string, (...rest: unknown[]) => unknown>;
      return to[method]?.(...args);
    };
  }
}
