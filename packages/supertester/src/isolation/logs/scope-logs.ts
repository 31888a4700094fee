import { requireOpen, type ScopeContext } from "../../context/scope-context.ts";
import { Recording } from "../recording.ts";
import { levelNumber, logOf, renderLog, type LogLevel, type LogRecord } from "./log-record.ts";
import { openLoggers } from "./pino.ts";

/** One test's log: everything its code logged, printed or wrote, across awaits, with the checks of a `Recording`. */
export class ScopeLogs extends Recording<LogRecord> {
  readonly #context: ScopeContext;

  constructor(context: ScopeContext) {
    const { records } = logOf(context);
    super({ context, noun: "log records", read: () => records, mayBe: ({ kind }) => kind === "log" });
    this.#context = context;
  }

  /**
   * Sets the least level this test records, and opens the routed loggers as far as that needs, for this test only. Without
   * it, each logger's own level holds.
   *
   * @throws IsolationError `invalid-argument`, `after-end`.
   */
  setLevel(level: LogLevel): void {
    requireOpen(this.#context, "scope.logs.setLevel");
    const threshold = levelNumber(level);
    logOf(this.#context).threshold = threshold;
    openLoggers(threshold);
  }

  /** The records at `level` or above. */
  atLeast(level: LogLevel): Recording<LogRecord> {
    const least = levelNumber(level);
    return this.where((record) => record.level >= least, `${level}-or-worse`);
  }

  /** The records whose message contains or matches `pattern`. */
  matching(pattern: string | RegExp): Recording<LogRecord> {
    const test =
      typeof pattern === "string"
        ? (text: string) => text.includes(pattern)
        : (text: string) => text.search(pattern) >= 0;
    return this.where(({ message }) => test(message), String(pattern));
  }

  /** The log as text, a line per record. */
  override toString(): string {
    return renderLog(this.all);
  }
}
