import { syncBuiltinESMExports } from "node:module";
import { IsolationError } from "../context/errors.ts";
import { processSingleton } from "../context/process-singleton.ts";
import { createContext, endContext, runInContext, type ScopeContext } from "../context/scope-context.ts";
import { findLeaks, installLeakDetection, LeakError, validateLeakRules, type LeakRules } from "../leaks/check.ts";
import { runTeardown, TeardownError } from "../lifecycle/teardown.ts";
import { installWorldShims } from "../world/install.ts";
import { installConsole } from "./logs/console.ts";
import type { LogLevel } from "./logs/log-record.ts";
import { installStandardStreams } from "./logs/standard-streams.ts";
import { installHttpPropagation } from "./propagation/http.ts";
import { installWorkerPropagation } from "./propagation/workers.ts";
import { attachScope, type Scope } from "./scope.ts";
import { installIsolatables, shareIsolatables } from "./tables/isolatable.ts";
import { captureChannel } from "./telemetry/channels.ts";
import { beginSequence } from "../context/unattributed.ts";
import { runWithClockAndRandom, type ClockAndRandom } from "./surroundings/clock-and-random.ts";
import { installEnv, shareEnv } from "./surroundings/env.ts";

/** What a test gets to itself. Everything is on by default; options add to it or give it up. */
export interface IsolateOptions extends ClockAndRandom {
  /** Who it is: file, full test name, attempt. Default `isolate`. */
  readonly id?: string;
  /** Diagnostics channels to capture from the start. Others on demand, with `scope.capture`. */
  readonly channels?: readonly string[];
  /** `own` (default): changes of `process.env` are the test's. `shared`: they are the process's. */
  readonly env?: "own" | "shared";
  /** Names of isolatables of libraries that this test shares with the process. */
  readonly shared?: readonly string[];
  /** Least level to record of the routed loggers. Default: each logger's own. */
  readonly logLevel?: LogLevel;
  /** What to do about leaks: one verdict for all kinds, or a policy. Default `fail`. */
  readonly leaks?: LeakRules | "fail" | "warn" | "off";
}

const optionNames: readonly string[] = [
  "id",
  "channels",
  "env",
  "shared",
  "logLevel",
  "leaks",
  "clock",
  "seed",
] satisfies (keyof IsolateOptions)[];

/**
 * Patches the process, once: console, standard streams, environment, HTTP, workers, time, randomness, leak attribution. `isolate` does it at its
 * first call; call it before the application's modules are loaded, so that none of them keeps a reference to what was.
 */
export function install(): void {
  installLeakDetection();
  installConsole();
  installStandardStreams();
  installEnv();
  installHttpPropagation();
  installWorkerPropagation();
  installIsolatables();
  installWorldShims();
  processSingleton("synced-exports", () => {
    // For `import { env } from "node:process"` and `import { Worker } from "node:worker_threads"`.
    syncBuiltinESMExports();
    return true;
  });
}

/**
 * Runs `body` as one test: what it and everything it starts emit, log, write and change is its own, and what it leaves open
 * is named. Resolves to `body`'s result.
 *
 * @throws what `body` throws; TeardownError; LeakError; an AggregateError of them where there are several; IsolationError
 * `invalid-argument` for options that do not exist.
 */
export function isolate<T>(body: (scope: Scope) => T | Promise<T>): Promise<T>;
export function isolate<T>(options: IsolateOptions, body: (scope: Scope) => T | Promise<T>): Promise<T>;
export async function isolate<T>(
  first: IsolateOptions | ((scope: Scope) => T | Promise<T>),
  second?: (scope: Scope) => T | Promise<T>,
): Promise<T> {
  const [options, body] = typeof first === "function" ? [{}, first] : [first, second];
  if (typeof body !== "function") throw new IsolationError("invalid-argument", "isolate needs a function to run");
  const leaks = checkOptions(options);
  install();
  const context = createContext(options.id ?? "isolate");
  const ending = new AbortController();
  const errors: unknown[] = [];
  let result: { readonly value: T } | undefined;
  try {
    const scope = prepare(context, options, ending.signal);
    const run = async () => body(scope);
    result = { value: await runInContext(context, () => runWithClockAndRandom(context, options, run)) };
  } catch (error) {
    errors.push(error);
  }
  context.phase = "closing";
  errors.push(...(await runInContext(context, () => close(context, ending, leaks))));
  endContext(context);
  if (errors.length > 1) throw new AggregateError(errors, errors.map(String).join("\n"));
  if (result === undefined || errors.length > 0) throw errors[0] as Error;
  return result.value;
}

function checkOptions(options: IsolateOptions): LeakRules {
  for (const name of Object.keys(options)) {
    if (optionNames.includes(name)) continue;
    throw new IsolationError("invalid-argument", `isolate has no option "${name}"; it has ${optionNames.join(", ")}`);
  }
  const { env, leaks = "fail" } = options;
  if (env !== undefined && env !== "own" && env !== "shared") {
    throw new IsolationError("invalid-argument", `env is ${String(env)}: use "own" or "shared"`);
  }
  const policy =
    typeof leaks === "string" ? { timers: leaks, handles: leaks, listeners: leaks, rejections: leaks } : leaks;
  validateLeakRules(policy);
  return policy;
}

function prepare(context: ScopeContext, options: IsolateOptions, signal: AbortSignal): Scope {
  beginSequence(context);
  const scope = attachScope(context, signal);
  for (const channel of options.channels ?? []) captureChannel(context, channel);
  if (options.env === "shared") shareEnv(context);
  if (options.shared !== undefined) shareIsolatables(context, options.shared);
  if (options.logLevel !== undefined) scope.logs.setLevel(options.logLevel);
  return scope;
}

async function close(context: ScopeContext, ending: AbortController, policy: LeakRules): Promise<readonly Error[]> {
  const errors: Error[] = [];
  ending.abort(new Error("the test has ended"));
  const failures = await runTeardown(context);
  if (failures.length > 0) errors.push(new TeardownError(failures));
  const { fail, warn } = await findLeaks(context, policy);
  if (warn.length > 0) runInContext(undefined, () => process.emitWarning(new LeakError(context, warn)));
  if (fail.length > 0) errors.push(new LeakError(context, fail));
  return errors;
}
