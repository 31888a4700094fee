import { IsolationError, SupertesterError } from "../context/errors.ts";
import { realDelay, turn } from "../context/real-time.ts";
import type { ScopeContext } from "../context/scope-context.ts";
import { creationLine, isRunnersOwn, stackLines, type CreationSite } from "./creation-site.ts";
import { installInFlightHttp } from "./in-flight-http.ts";
import { holdsProcess, installLedger, ledgerOf, repeats, type OwnedResource } from "./ledger.ts";
import { installListenSites, siteOf } from "./listen-site.ts";
import { listenersOf, watchListeners } from "./listeners.ts";
import { installRejections, rejectionsOf } from "./rejections.ts";

/** What to do about a kind of leak: fail the test, print a warning, or nothing. */
export type LeakVerdict = "fail" | "warn" | "off";

/** The kinds of things a test can leave behind. */
export type LeakKind = "timer" | "handle" | "listener" | "rejection";

/** What to do about leaks. Every kind defaults to `fail`. */
export interface LeakRules {
  /** Timeouts and intervals that hold the process. */
  readonly timers?: LeakVerdict;
  /** Sockets, servers, watchers, workers, child processes and ports that hold the process. */
  readonly handles?: LeakVerdict;
  /** Listeners left on `process` and on emitters given to `watchListeners`. */
  readonly listeners?: LeakVerdict;
  /** Rejections nobody handled. */
  readonly rejections?: LeakVerdict;
  /** Leaks whose description matches one of these are not reported; the description contains the creation line. */
  readonly allow?: readonly RegExp[];
}

/** One thing a test left behind. */
export interface Leak {
  readonly kind: LeakKind;
  /** What it is and where it was made, in one line. */
  readonly description: string;
  /** The reason, for a rejection. */
  readonly cause?: unknown;
  /** The stack of its creation, where there is one. */
  readonly site?: CreationSite;
}

/** A test left things behind that its policy forbids. `cause` is the first rejection, where there was one. */
export class LeakError extends SupertesterError {
  override name = "LeakError";
  readonly leaks: readonly Leak[];

  constructor(context: ScopeContext, leaks: readonly Leak[]) {
    const cause = leaks.find((leak) => leak.kind === "rejection")?.cause;
    super(
      `"${context.id}" left ${leaks.length === 1 ? "something" : `${leaks.length} things`} behind:\n` +
        leaks.map(({ description }) => `  ${description}`).join("\n") +
        "\nClose it in the test, hand it to `scope.start` or `scope.defer`, or permit it with `leaks: { allow: [/…/] }`.",
      cause === undefined ? undefined : { cause },
    );
    this.leaks = leaks;
    // The reader wants to be shown the line that made it, not the one that found it.
    const stack = leaks.find(({ site }) => site !== undefined)?.site?.stack;
    if (stack !== undefined) this.stack = `${this.name}: ${this.message}\n${stackLines(stack)}`;
  }
}

/** Starts attributing what can leak. Once for the process. */
export function installLeakDetection(): void {
  installLedger();
  installListenSites();
  installInFlightHttp();
  installRejections();
  watchListeners(process, "process");
}

/** @throws IsolationError `invalid-argument` for a key or verdict that does not exist: a typo would check nothing. */
export function validateLeakRules(policy: LeakRules): void {
  const verdicts: readonly unknown[] = ["fail", "warn", "off"];
  for (const [key, value] of Object.entries(policy)) {
    if (key === "allow") {
      if (Array.isArray(value) && value.every((entry) => entry instanceof RegExp)) continue;
      throw new IsolationError("invalid-argument", "leaks.allow must be an array of regular expressions");
    }
    if (!["timers", "handles", "listeners", "rejections"].includes(key)) {
      throw new IsolationError(
        "invalid-argument",
        `leaks.${key} does not exist: use timers, handles, listeners, rejections, allow`,
      );
    }
    if (!verdicts.includes(value)) {
      throw new IsolationError("invalid-argument", `leaks.${key} is ${String(value)}: use "fail", "warn" or "off"`);
    }
  }
}

const typeNames: Readonly<Record<string, string>> = {
  TCPSERVERWRAP: "TCP server",
  PIPESERVERWRAP: "pipe server",
  TCPWRAP: "TCP socket",
  PIPEWRAP: "pipe",
  TLSWRAP: "TLS socket",
  UDPWRAP: "UDP socket",
  FSEVENTWRAP: "file watcher",
  STATWATCHER: "file watcher (polling)",
  PROCESSWRAP: "child process",
  WORKER: "worker thread",
  MESSAGEPORT: "message port",
  SIGNALWRAP: "signal handler",
  HTTP2SESSION: "HTTP/2 session",
};

function describe(owned: OwnedResource): Leak {
  const site = siteOf(owned);
  const name =
    owned.kind === "timer" ? (repeats(owned) ? "interval" : "timeout") : (typeNames[owned.type] ?? owned.type);
  return {
    kind: owned.kind === "timer" ? "timer" : "handle",
    description: `${name} created at ${creationLine(site)}`,
    site,
  };
}

function currentLeaks(context: ScopeContext): Leak[] {
  const leaks: Leak[] = [];
  for (const owned of ledgerOf(context).owned.values()) {
    if (owned.kind !== "timer" && owned.kind !== "handle") continue;
    if (holdsProcess(owned) && !isRunnersOwn(siteOf(owned))) leaks.push(describe(owned));
  }
  for (const { emitter, event, site } of listenersOf(context)) {
    if (isRunnersOwn(site)) continue;
    leaks.push({
      kind: "listener",
      description: `listener for "${event}" on ${emitter} added at ${creationLine(site)}`,
      site,
    });
  }
  for (const cause of rejectionsOf(context)) {
    const text = cause instanceof Error ? `${cause.name}: ${cause.message} ${whereThrown(cause)}` : String(cause);
    leaks.push({ kind: "rejection", description: `unhandled rejection: ${text}`, cause });
  }
  return leaks;
}

const whereThrown = (error: Error) =>
  `thrown at ${creationLine(error.stack === undefined ? {} : { stack: error.stack })}`;

const keys: Readonly<Record<LeakKind, "timers" | "handles" | "listeners" | "rejections">> = {
  timer: "timers",
  handle: "handles",
  listener: "listeners",
  rejection: "rejections",
};

const graceMs = 50;

/**
 * What `context` has left behind under `policy`, with the verdict of each. Sockets and servers need a moment to close, so
 * while one is left this looks again for up to 50 ms of real time; a clean test pays three turns of the event loop.
 */
export async function findLeaks(
  context: ScopeContext,
  policy: LeakRules,
): Promise<Readonly<Record<"fail" | "warn", readonly Leak[]>>> {
  for (let turns = 0; turns < 3; turns += 1) await turn();
  let found = judged(context, policy);
  const mayYetClose = () => [...found.fail, ...found.warn].some(({ kind }) => kind === "handle");
  for (let waited = 0; waited < graceMs && mayYetClose(); waited += 5) {
    await realDelay(5);
    found = judged(context, policy);
  }
  return found;
}

function judged(context: ScopeContext, policy: LeakRules): { fail: Leak[]; warn: Leak[] } {
  const result = { fail: [] as Leak[], warn: [] as Leak[] };
  for (const leak of currentLeaks(context)) {
    const verdict = policy[keys[leak.kind]] ?? "fail";
    if (verdict === "off" || policy.allow?.some((pattern) => pattern.test(leak.description)) === true) continue;
    result[verdict].push(leak);
  }
  return result;
}
