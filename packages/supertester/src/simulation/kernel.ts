import { AsyncResource } from "node:async_hooks";
import { mix } from "../world/seeded-random.ts";
import { elapsedOrigin } from "../world/virtual-clock.ts";
import type { VirtualTimer } from "../world/virtual-timer.ts";
import { currentWorld, runInWorld, type Clock, type Gate, type Network } from "../world/world.ts";
import type { Chooser } from "./chooser.ts";
import { deadlock, invisibleEscape, leak, livelock } from "./diagnosis.ts";
import type { Resumable } from "./driver.ts";
import { eventId, SimEvent, type Chain, type EventKind } from "./event.ts";
import { SimulationError, type FailureKind, type RunFailure } from "./failure.ts";
import { Lane } from "./lane.ts";
import type { Latency, RunSettings } from "./options.ts";
import { PendingEvents } from "./pending-events.ts";
import type { ChoiceMade, Deviation, RunOutcome } from "./run-outcome.ts";
import { TimerHeads } from "./timer-heads.ts";

/** Sees a run from the inside; only replays for a report have one, because looking costs time. */
export interface Observer {
  created(event: SimEvent): void;
  started(event: SimEvent, step: number, now: number): void;
}

/** A condition that is checked after every event. Returns whether it is done; throws a `SimulationError` when it fails. */
export type Watcher = () => boolean;

/** Work that runs for real while virtual time stands still (gate mode). */
export interface RealWork {
  /** Whether everything that was started has come back. */
  readonly isIdle: boolean;
}

/**
 * One run: virtual time, what may happen next, and the loop that lets it happen. Each event runs in full, with all the
 * microtasks it sets off in Node's own order, before the next one is chosen.
 */
export class Kernel implements Clock {
  readonly seed: number | string;
  readonly settings: RunSettings;
  readonly main: Lane;
  /** Set by the HTTP hosts; without them every request is an escape. */
  fetch: typeof globalThis.fetch = () => Promise.reject(new TypeError("fetch failed"));
  network: Network | undefined;
  gate: (Gate & RealWork) | undefined;
  /** Real milliseconds that are allowed to pass before a deadlock is called one; 0 for none. */
  graceMs = 30;
  /** Virtual milliseconds since the start. */
  time = 0;
  ended = false;
  failure: RunFailure | undefined;
  readonly #chooser: Chooser;
  readonly #observer: Observer | undefined;
  readonly #pending = new PendingEvents();
  readonly #timers = new TimerHeads(this.#pending);
  readonly #log: SimEvent[] = [];
  readonly #cancelled: { event: SimEvent; step: number }[] = [];
  readonly #choices: ChoiceMade[] = [];
  readonly #deviations: Deviation[] = [];
  readonly #watchers = new Set<Watcher>();
  readonly #tasks = new Set<Lane>();
  readonly #cleanups: (() => void)[] = [];
  #created = 0;
  #hash = 0x9e3779b9;
  #hash2 = 0x85ebca6b;
  #running: SimEvent | undefined;
  #continued = new Set<Lane>();
  #wallOffset = 0;

  constructor(settings: RunSettings, chooser: Chooser, observer?: Observer) {
    this.settings = settings;
    this.seed = settings.seed;
    this.#chooser = chooser;
    this.#observer = observer;
    this.main = new Lane(this, "body", false);
  }

  now(): number {
    return this.settings.epoch + this.#wallOffset + this.time;
  }

  elapsed(): number {
    return elapsedOrigin + this.time;
  }

  /** Moves the wall clock, as an operator or NTP would; timers and the monotonic clock do not notice. */
  jumpClock(ms: number): void {
    this.#wallOffset += ms;
  }

  /** The lane of the running code; code that lost its context counts as the body. */
  get lane(): Lane {
    const world = currentWorld();
    return world instanceof Lane && world.kernel === this ? world : this.main;
  }

  // --- What may happen -------------------------------------------------------------------------------------------

  /** Adds an event. `action` runs in the lane, in no other context of the caller: wrap user code in `bind`. */
  schedule(kind: EventKind, label: string, [min, max]: Latency, action: () => void, lane: Lane = this.lane): SimEvent {
    const event = this.#create(kind, lane, label, this.time + min, this.time + max, action);
    if (!this.ended) this.#pending.add(event);
    return event;
  }

  /** `fn`, to be run later in `lane` and otherwise in the async context of now. */
  bind<T>(lane: Lane, fn: () => T): () => T {
    const resource = new AsyncResource("supertester.event", { requireManualDestroy: true });
    return () => resource.runInAsyncScope(() => runInWorld(lane, fn));
  }

  cancel(event: SimEvent): void {
    if (!this.#pending.remove(event)) return;
    event.chain.pending--;
    this.#cancelled.push({ event, step: this.#log.length });
  }

  arm(timer: VirtualTimer): void {
    if (this.ended) return;
    // An interval, and a refreshed timer, stay with the lane that made them.
    const before = timer.record instanceof SimEvent ? timer.record.lane : undefined;
    const lane = before?.kernel === this ? before : this.lane;
    const isImmediate = timer.kind === "immediate";
    timer.due = this.time + timer.delay;
    timer.order = this.#created;
    const label = isImmediate
      ? "setImmediate"
      : `${timer.kind === "timeout" ? "setTimeout" : "setInterval"} ${timer.delay}ms`;
    // Node may run an immediate before or after a timer that is due at once.
    const latest = isImmediate ? timer.due + 1 : timer.due;
    timer.record = this.#create(isImmediate ? "immediate" : "timer", lane, label, timer.due, latest, () => {
      this.#timers.advance(timer);
      timer.fire();
    });
    this.#timers.add(timer);
  }

  disarm(timer: VirtualTimer): void {
    if (this.#timers.remove(timer) && timer.record instanceof SimEvent) timer.record.chain.pending--;
  }

  #create(kind: EventKind, lane: Lane, label: string, earliest: number, latest: number, action: () => void): SimEvent {
    const chain = this.#chainFor(lane);
    chain.pending++;
    lane.chain = chain;
    const event = new SimEvent({ kind, lane, label, earliest, latest, order: this.#created++, chain, action });
    this.#observer?.created(event);
    return event;
  }

  /** See `Chain`. A lane that another lane's event woke goes on with the chain it was waiting in. */
  #chainFor(lane: Lane): Chain {
    const running = this.#running;
    const previous = lane === running?.lane ? running.chain : lane.chain;
    if (running !== undefined && previous !== undefined && previous.pending === 0 && !this.#continued.has(lane)) {
      this.#continued.add(lane);
      return previous;
    }
    return { priority: this.#chooser.priority?.() ?? 0, pending: 0 };
  }

  // --- Decisions, conditions, failures -----------------------------------------------------------------------------

  /** Decides among `count` possibilities; 0 is the undisturbed one. */
  choose(count: number, label: string, kind: "choice" | "fault"): number {
    if (count <= 1 || this.ended) return 0;
    const lane = this.lane;
    const id = eventId(lane, label, lane.nextOccurrence(label));
    const value = this.#chooser.choose({ count, id, kind });
    this.#choices.push({ id, label: `${lane.name}: ${label}`, value, count, step: this.#log.length });
    this.#mixHash(mix(id, value));
    return value;
  }

  watch(watcher: Watcher): void {
    this.#watchers.add(watcher);
  }

  /** A task that has begun must finish before the body ends, or it is a leak. */
  beginTask(lane: Lane): void {
    this.#tasks.add(lane);
  }

  finishTask(lane: Lane): void {
    this.#tasks.delete(lane);
  }

  /** Runs when the run is over, in reverse order of registration. */
  atEnd(cleanup: () => void): void {
    this.#cleanups.push(cleanup);
  }

  /** The first failure of a run is the one that counts. */
  fail(kind: FailureKind, error: unknown): void {
    if (!this.ended) this.failure ??= { kind, error };
  }

  readonly onCallbackError = (error: unknown): void => this.fail("uncaught", error);

  readonly onUnhandledRejection = (reason: unknown): void => {
    this.fail(reason instanceof SimulationError ? reason.kind : "unhandledRejection", reason);
  };

  // --- The loop ----------------------------------------------------------------------------------------------------

  /** Runs `body` to its end, to the first failure, or to a cap. */
  *run<T>(body: () => Promise<T> | T): Resumable<RunOutcome<T>> {
    const ending: { settled: boolean; value?: T } = { settled: false };
    const start = async () => {
      try {
        ending.value = await body();
      } catch (error) {
        this.fail(error instanceof SimulationError ? error.kind : "assertion", error);
      }
      ending.settled = true;
    };
    void runInWorld(this.main, start);
    yield "drain";
    if (this.#checkWatchers()) yield "drain";
    while (!ending.settled && this.failure === undefined) {
      while (this.gate?.isIdle === false) yield "turn";
      if (this.#pending.isEmpty) {
        yield* this.#stuck(() => ending.settled);
        continue;
      }
      const event = this.#pick();
      if (event !== undefined) this.#execute(event);
      yield "drain";
      if (this.#checkWatchers()) yield "drain";
      this.#checkCaps();
    }
    if (this.failure === undefined) this.#checkLeaks();
    const pending = this.failure === undefined ? [] : [...this.#pending];
    this.#end();
    const hash = this.#hash * 0x100000 + (this.#hash2 & 0xfffff);
    return {
      failure: this.failure,
      value: ending.value,
      log: this.#log,
      pending,
      cancelled: this.#cancelled,
      choices: this.#choices,
      deviations: this.#deviations,
      hash,
      now: this.time,
    };
  }

  #pick(): SimEvent | undefined {
    this.#pending.refresh();
    const natural = this.#pending.at(0);
    if (this.#pending.size === 1) return natural;
    try {
      const event = this.#chooser.pick(this.#pending, this.#log.length);
      if (event !== natural) this.#deviations.push({ step: this.#log.length, event: event.id });
      return event;
    } catch (error) {
      this.fail("nondeterminism", error);
      return undefined;
    }
  }

  #execute(event: SimEvent): void {
    this.#pending.remove(event);
    event.chain.pending--;
    this.time = this.#instantOf(event);
    this.#observer?.started(event, this.#log.length, this.time);
    event.createdWhenRun = this.#created;
    this.#log.push(event);
    this.#mixHash(event.id);
    this.#chooser.ran?.(event);
    this.#running = event;
    this.#continued.clear();
    try {
      // In the lane, so that what the action rejects or leaves unhandled is attributed to it.
      runInWorld(event.lane, event.action);
    } catch (error) {
      this.fail("uncaught", error);
    }
  }

  /** As early as its place in the order allows; or, when the chooser says so, as late. */
  #instantOf(event: SimEvent): number {
    const early = Math.max(this.time, event.earliest);
    // I/O that cannot happen soon is a fixed point that others can be early or late for, as a timer is.
    const isFixedPointAhead = this.#timers.hasTimers || this.#pending.lastEarliest > early + this.settings.latency[0];
    if (!isFixedPointAhead || event.kind === "timer" || event.kind === "immediate") return early;
    const late = Math.min(event.latest, this.#pending.horizon);
    if (late <= early) return early;
    event.lateness = this.#chooser.isLate?.(event) === true ? "taken" : "possible";
    if (event.lateness === "possible") return early;
    this.#mixHash(1);
    return late;
  }

  #mixHash(value: number): void {
    this.#hash = mix(this.#hash, value);
    this.#hash2 = mix(this.#hash2, this.#hash ^ value);
  }

  /** Returns whether a watcher is done, which lets the code that waits for it go on. */
  #checkWatchers(): boolean {
    const before = this.#watchers.size;
    for (const watcher of this.#watchers) {
      try {
        if (watcher()) this.#watchers.delete(watcher);
      } catch (error) {
        this.fail("invariant", error);
      }
    }
    return this.#watchers.size < before;
  }

  #checkCaps(): void {
    const { maxSteps, maxVirtualMs } = this.settings;
    if (this.#log.length < maxSteps && this.time <= maxVirtualMs) return;
    this.fail("livelock", livelock(this.#log, this.time, this.settings));
  }

  /**
   * Nothing can run and the body is pending. Before that is called a deadlock, a little real time passes: if anything
   * moves in it, the body waits for something outside the simulation that async_hooks does not show.
   */
  *#stuck(isSettled: () => boolean): Resumable<void> {
    const before = this.#created;
    if (this.graceMs > 0) {
      yield "turn";
      yield this.graceMs;
    }
    const moved = isSettled() || this.#created !== before;
    if (this.failure !== undefined) return;
    if (moved && this.settings.escapes === "ignore") return;
    if (moved) this.fail("escape", invisibleEscape());
    else this.fail("deadlock", deadlock(this.#log, this.time));
  }

  #checkLeaks(): void {
    if (this.settings.leaks === "ignore") return;
    const io = [...this.#pending].filter(
      ({ kind, isAbandoned }) => !isAbandoned && (kind === "start" || kind === "io"),
    );
    const timers = this.#timers.armed.filter((timer) => timer.hasRef()).map(({ record }) => record);
    const left = [...io, ...timers].filter((event) => event instanceof SimEvent).filter(({ lane }) => !lane.background);
    const tasks = [...this.#tasks].map(({ name }) => name);
    if (left.length + tasks.length > 0) this.fail("leak", leak(left, tasks));
  }

  #end(): void {
    this.ended = true;
    this.#pending.clear();
    for (const cleanup of this.#cleanups.toReversed()) cleanup();
  }
}
