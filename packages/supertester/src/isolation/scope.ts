import type { RequestListener, Server as HttpServer } from "node:http";
import type { Server } from "node:net";
import { IsolationError } from "../context/errors.ts";
import { requireContext, requireOpen, type Facet, type ScopeContext } from "../context/scope-context.ts";
import { captureSite } from "../leaks/creation-site.ts";
import { ledgerOf } from "../leaks/ledger.ts";
import { settle, type SettleOptions } from "../leaks/quiescence.ts";
import { startResource, type Resource } from "../lifecycle/resource.ts";
import { Supervisor, type SuperviseOptions } from "../lifecycle/supervise.ts";
import { defaultStageLimitMs, deferEntry } from "../lifecycle/teardown.ts";
import { ScopeLogs } from "./logs/scope-logs.ts";
import { Recording } from "./recording.ts";
import {
  captureChannel,
  capturesAny,
  eventsOf,
  tracingChannelNames,
  type TelemetryEvent,
} from "./telemetry/channels.ts";
import {
  emissionsOf,
  routes,
  type Measurement,
  type OpenTelemetryKind,
  type RecordedLogRecord,
  type RecordedSpan,
} from "./telemetry/open-telemetry.ts";
import { unattributedSince, type Unattributed } from "../context/unattributed.ts";
import type { VirtualClock } from "../world/virtual-clock.ts";
import { clockOf } from "./surroundings/clock-and-random.ts";
import { listen, type Listening } from "./surroundings/listen.ts";
import { makeTmpDir, uniqueName } from "./surroundings/names.ts";

const scopes: Facet<Scope | undefined> = { name: "scope", create: () => undefined };

/**
 * One test's isolation: what its code emitted, what it owns, and how it ends. Every method that does something throws
 * `IsolationError` `after-end` once the test has ended; what was recorded stays readable.
 */
export class Scope {
  readonly #context: ScopeContext;
  /** What the test's code logged, printed and wrote. */
  readonly logs: ScopeLogs;
  /** Aborts when the test's body is over and its teardown begins. */
  readonly signal: AbortSignal;

  /** Made by `isolate`. */
  constructor(context: ScopeContext, signal: AbortSignal) {
    this.#context = context;
    this.logs = new ScopeLogs(context);
    this.signal = signal;
  }

  /** File, full test name and attempt: readable, the same in every run. */
  get id(): string {
    return this.#context.id;
  }

  /** Short token of this run of the test, unique among processes: what messages, headers and jobs carry. */
  get key(): string {
    return this.#context.key;
  }

  /**
   * Everything published on the channels that this test captures, in order.
   *
   * @throws IsolationError `not-isolatable` when it captures none, because then a check would check nothing.
   */
  get events(): Recording<TelemetryEvent> {
    const context = this.#context;
    if (!capturesAny(context)) {
      throw new IsolationError(
        "not-isolatable",
        "scope.events records nothing, because this test captures no channel: name them in `isolate({ channels: […] })` (vitest: `configure`), or call `scope.capture(name)` first",
      );
    }
    return new Recording({
      context,
      noun: "events",
      read: () => eventsOf(context),
      mayBe: ({ kind }) => kind === "event",
    });
  }

  /**
   * Records what this test's code publishes on a `node:diagnostics_channel` from now on. The recording holds the published
   * objects themselves.
   */
  capture<T = unknown>(channel: string): Recording<T> {
    this.#open("scope.capture");
    const events = captureChannel(this.#context, channel);
    return new Recording<T>({
      context: this.#context,
      noun: `messages on "${channel}"`,
      read: () => events.map(({ message }) => message as T),
      mayBe: ({ kind, name }) => kind === "event" && name === channel,
    });
  }

  /** As `capture`, for the five channels of a tracing channel: one recording of their events in order. */
  trace<T = unknown>(tracingChannel: string): Recording<TelemetryEvent<T>> {
    this.#open("scope.trace");
    const names = new Set(tracingChannelNames(tracingChannel));
    for (const name of names) captureChannel(this.#context, name);
    const context = this.#context;
    return new Recording<TelemetryEvent<T>>({
      context,
      noun: `events of tracing channel "${tracingChannel}"`,
      read: () => (eventsOf(context) as readonly TelemetryEvent<T>[]).filter(({ channel }) => names.has(channel)),
      mayBe: ({ kind, name }) => kind === "event" && names.has(name),
    });
  }

  /**
   * The spans that this test started and that have ended, in order of their ends.
   *
   * @throws IsolationError `not-isolatable` when no `scopeSpanProcessor()` exists, because then a check would check nothing.
   */
  spans<S = RecordedSpan>(): Recording<S> {
    return this.#emissions<S>("span", "scopeSpanProcessor()");
  }

  /** OpenTelemetry's log records of this test. @throws IsolationError as `spans`, for `scopeLogRecordProcessor()`. */
  logRecords<R = RecordedLogRecord>(): Recording<R> {
    return this.#emissions<R>("log-record", "scopeLogRecordProcessor()");
  }

  /** OpenTelemetry measurements of this test. @throws IsolationError as `spans`, for `scopeMeterProvider(…)`. */
  measurements(): Recording<Measurement> {
    return this.#emissions("measurement", "scopeMeterProvider(…)");
  }

  #emissions<T>(kind: OpenTelemetryKind, source: string): Recording<T> {
    if (!routes(kind)) {
      throw new IsolationError(
        "not-isolatable",
        `this process routes no OpenTelemetry ${kind}: give its provider a ${source} first`,
      );
    }
    const context = this.#context;
    const items = emissionsOf(context, kind) as readonly T[];
    return new Recording({ context, noun: `${kind}s`, read: () => items, mayBe: (lost) => lost.kind === kind });
  }

  /** What was emitted without a live owner while this test ran: any of it may be this test's. */
  get unattributed(): readonly Unattributed[] {
    return unattributedSince(this.#context);
  }

  /** The test's virtual clock. @throws IsolationError `not-isolatable` when it did not ask for one. */
  get clock(): VirtualClock {
    return clockOf(this.#context);
  }

  /** Resolves when this test's code is at rest. @throws NotSettledError after the limit, with what it waits for. */
  async settled(options?: SettleOptions): Promise<void> {
    this.#open("scope.settled");
    await settle(this.#context, options);
  }

  /** How many of each of Node's resources this test has made, by Node's name: `Timeout`, `TCPWRAP`, `FSREQPROMISE`, … */
  get operations(): Readonly<Record<string, number>> {
    return Object.fromEntries(ledgerOf(this.#context).made);
  }

  /** Runs `cleanup` when the test ends, last in first out, with a limit of real time. A failure fails the test. */
  defer(cleanup: () => unknown, { limitMs = defaultStageLimitMs }: { readonly limitMs?: number } = {}): void {
    this.#open("scope.defer");
    if (typeof cleanup !== "function") throw new IsolationError("invalid-argument", "scope.defer needs a function");
    const name = cleanup.name || "deferred cleanup";
    deferEntry(this.#context, {
      name,
      site: captureSite(),
      stages: [{ name: "cleanup", run: cleanup }],
      limitMs,
    });
  }

  /** Begins a resource and ends it with the test: its signal aborts, then `stop`, then `kill`. */
  async start<T>(resource: Resource<T>): Promise<T> {
    this.#open("scope.start");
    return startResource(this.#context, resource);
  }

  /** Runs worker threads and child processes under a restart strategy until the test ends. */
  async supervise(options: SuperviseOptions): Promise<Supervisor> {
    return this.start({
      name: "supervisor",
      start: () => Supervisor.start(options),
      // One child after the other, each of which may use its limit up.
      limitMs: (options.children.length + 1) * (options.limitMs ?? 1000) + 1000,
    });
  }

  /** `prefix` made unique among all tests and processes: for queues, schemas, topics, whatever has a name elsewhere. */
  unique(prefix: string): string {
    this.#open("scope.unique");
    return uniqueName(this.#context, prefix);
  }

  /** An empty directory, removed when the test ends. */
  async tmpDir(): Promise<string> {
    this.#open("scope.tmpDir");
    return makeTmpDir(this.#context);
  }

  /** Listens on the loopback, on a port that the system picks, until the test ends. */
  async listen<S extends Server>(server: S): Promise<Listening<S>>;
  async listen(listener: RequestListener): Promise<Listening<HttpServer>>;
  async listen(target: Server | RequestListener): Promise<Listening> {
    this.#open("scope.listen");
    return listen(this.#context, target);
  }

  #open(what: string): void {
    requireOpen(this.#context, what);
  }
}

/** Makes the scope of `context` what `currentScope` answers in it. */
export function attachScope(context: ScopeContext, signal: AbortSignal): Scope {
  const scope = new Scope(context, signal);
  context.set(scopes, scope);
  return scope;
}

/**
 * The scope of the test that owns the running code.
 *
 * @throws IsolationError `outside-test` when none does, `after-end` when it has ended. To ask without throwing, use
 * `currentTestId()`.
 */
export function currentScope(): Scope {
  const scope = requireContext("currentScope()").peek(scopes);
  if (scope === undefined)
    throw new IsolationError("outside-test", "currentScope() was called before the test's scope was complete");
  return scope;
}
