import { IsolationError } from "../../context/errors.ts";
import { processSingleton } from "../../context/process-singleton.ts";
import { activeLog, logLevels, recordUnowned, type LogRecord, type ScopeLog } from "./log-record.ts";
import { nextSequence } from "../../context/unattributed.ts";

/** What this needs of a pino logger; any version from 7 has it. */
export interface PinoLogger {
  level: string;
  readonly levels: { readonly values: Readonly<Record<string, number>> };
}

interface PinoStream {
  write(line: string): void;
}

interface RoutedLogger {
  readonly logger: PinoLogger;
  /** Number of the level the application gave it. */
  readonly level: number;
  /** Whether a test asked for more, so that lines below `level` arrive here. */
  opened: boolean;
}

const routedLoggers = () => processSingleton("pino-loggers", () => new Map<object, RoutedLogger>());
const routedStreams = () => processSingleton("pino-streams", () => new WeakSet<object>());

/** A line is parsed when somebody looks at it. */
class PinoRecord implements LogRecord {
  readonly source = "pino";
  readonly sequence: number = nextSequence();
  readonly #line: string;
  #parsed:
    | { readonly level: number; readonly message: string; readonly fields: Readonly<Record<string, unknown>> }
    | undefined;

  constructor(line: string) {
    this.#line = line;
  }

  get level(): number {
    return this.#parse().level;
  }

  get message(): string {
    return this.#parse().message;
  }

  get fields(): Readonly<Record<string, unknown>> {
    return this.#parse().fields;
  }

  #parse() {
    return (this.#parsed ??= parse(this.#line));
  }
}

function parse(line: string) {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return { level: logLevels.info as number, message: line.trimEnd(), fields: {} };
  }
  const { level, msg, time: _time, pid: _pid, hostname: _hostname, ...fields } = value;
  const byName = logLevels[level as keyof typeof logLevels] as number | undefined;
  return {
    level: typeof level === "number" ? level : (byName ?? logLevels.info),
    message: typeof msg === "string" ? msg : "",
    fields,
  };
}

/** Appends a line; parses it at once only when there is a level to hold it against. */
function append(log: ScopeLog, line: string, { level, opened }: RoutedLogger): void {
  const record = new PinoRecord(line);
  const threshold = log.threshold ?? (opened ? level : undefined);
  if (threshold === undefined || record.level >= threshold) log.records.push(record);
}

/** The object in the logger's prototype chain that holds the stream, and under which symbol: children inherit it. */
function findStream(logger: object): { readonly holder: Record<symbol, PinoStream>; readonly symbol: symbol } {
  for (let holder: object | null = logger; holder !== null; holder = Object.getPrototypeOf(holder) as object | null) {
    const symbol = Object.getOwnPropertySymbols(holder).find(({ description }) => description === "pino.stream");
    if (symbol !== undefined) return { holder: holder as Record<symbol, PinoStream>, symbol };
  }
  throw new IsolationError(
    "not-isolatable",
    "isolateLogger was given something that is not a pino logger (no `pino.stream` in it). Loggers that write through console or process.stdout need no call.",
  );
}

/**
 * Routes a pino logger to the running test's log by replacing its stream: module-level singletons and child loggers
 * included, transports in worker threads too (their stream is replaced before the thread). Outside tests it writes where it
 * always did. Once per logger is enough; a child that was made before, with a level of its own, needs its own call only for
 * `scope.logs.setLevel` to reach below that level.
 *
 * @throws IsolationError `not-isolatable` when it is not a pino logger.
 */
export function isolateLogger(logger: PinoLogger): void {
  if (routedLoggers().has(logger)) return;
  const { holder, symbol } = findStream(logger);
  const entry: RoutedLogger = { logger, level: logger.levels.values[logger.level] ?? Infinity, opened: false };
  routedLoggers().set(logger, entry);
  const original = holder[symbol];
  if (original === undefined || routedStreams().has(original)) return;

  const metadata = ["lastLevel", "lastMsg", "lastObj", "lastTime", "lastLogger"] as const;
  const routed = Object.create(original) as PinoStream & Record<string, unknown>;
  routed.write = (line: string) => {
    const log = activeLog();
    if (log !== undefined) return append(log, line, entry);
    recordUnowned("pino", line);
    // Below its own level a line only exists because some test asked for it.
    if (entry.opened && parse(line).level < entry.level) return;
    for (const name of metadata) if (Object.hasOwn(routed, name)) Object.assign(original, { [name]: routed[name] });
    original.write(line);
  };
  routedStreams().add(routed);
  holder[symbol] = routed;
}

/** Lets lines from `level` upwards through every routed logger; those below a logger's own level reach only tests that ask. */
export function openLoggers(level: number): void {
  for (const entry of routedLoggers().values()) {
    const { logger } = entry;
    if ((logger.levels.values[logger.level] ?? Infinity) <= level) continue;
    const name = Object.entries(logger.levels.values).find(([, value]) => value === level)?.[0];
    if (name === undefined) continue;
    entry.opened = true;
    logger.level = name;
  }
}
