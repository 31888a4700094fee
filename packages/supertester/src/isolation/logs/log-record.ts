import { IsolationError } from "../../context/errors.ts";
import { activeContext, liveContexts, type Facet, type ScopeContext } from "../../context/scope-context.ts";
import { nextSequence, recordUnattributed } from "../../context/unattributed.ts";

/** Level names and their numbers: pino's, which OpenTelemetry and bunyan order the same way. */
export const logLevels = { trace: 10, debug: 20, info: 30, warn: 40, error: 50, fatal: 60 } as const;

/** A level's name. */
export type LogLevel = keyof typeof logLevels;

/** One line that a test's code logged, printed or wrote. */
export interface LogRecord {
  /** What it came through. `stdout` and `stderr`: written to the stream itself. */
  readonly source: "console" | "stdout" | "stderr" | "pino";
  /** The level's number, as in `logLevels`. */
  readonly level: number;
  readonly message: string;
  /** pino: the line's properties. console: the call's arguments, as `arguments`. Streams: empty. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Position among everything recorded in this process. */
  readonly sequence: number;
}

/** One scope's log. */
export interface ScopeLog {
  readonly records: LogRecord[];
  /** Least level to record; unset: whatever the logger itself lets through. */
  threshold: number | undefined;
}

const logs: Facet<ScopeLog> = { name: "log", create: () => ({ records: [], threshold: undefined }) };

/** The log of `context`. */
export function logOf(context: ScopeContext): ScopeLog {
  return context.get(logs);
}

/** The log that the running code writes to; `undefined` when no live test owns it and the real output is the place. */
export function activeLog(): ScopeLog | undefined {
  const context = activeContext();
  return context === undefined || context.phase === "ended" ? undefined : logOf(context);
}

/** Notes output that went to the real destination while tests were running, since it may have been one's. */
export function recordUnowned(source: LogRecord["source"], value: unknown): void {
  if (liveContexts().length > 0 || activeContext() !== undefined) recordUnattributed("log", source, value);
}

/** Appends to `log` unless its level is below the threshold. */
export function appendRecord(log: ScopeLog, record: Omit<LogRecord, "sequence">): void {
  if (log.threshold !== undefined && record.level < log.threshold) return;
  log.records.push({ ...record, sequence: nextSequence() });
}

/** @throws IsolationError `invalid-argument` for a level that does not exist. */
export function levelNumber(level: LogLevel): number {
  const number: number | undefined = logLevels[level];
  if (number === undefined) {
    throw new IsolationError(
      "invalid-argument",
      `"${level as string}" is not a log level: use ${Object.keys(logLevels).join(", ")}`,
    );
  }
  return number;
}

/** The log as a reader wants it under a failing test: one line each, in order. */
export function renderLog(records: readonly LogRecord[]): string {
  const names = new Map<number, string>(Object.entries(logLevels).map(([name, number]) => [number, name]));
  return records
    .map(({ source, level, message, fields }) => {
      const extra = source === "pino" && Object.keys(fields).length > 0 ? ` ${JSON.stringify(fields)}` : "";
      return `${source} ${names.get(level) ?? level}: ${message}${extra}`;
    })
    .join("\n");
}
