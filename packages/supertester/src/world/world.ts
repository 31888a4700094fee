import { AsyncLocalStorage } from "node:async_hooks";
import type { Server } from "node:net";
import type { Duplex } from "node:stream";
import { processSingleton } from "../context/process-singleton.ts";
import type { Endpoint } from "./net-shims.ts";
import type { VirtualTimer } from "./virtual-timer.ts";

/** Where code that runs inside a world gets time and timers from. */
export interface Clock {
  /** Wall clock: milliseconds since the Unix epoch. */
  now(): number;
  /** Monotonic clock in milliseconds, as `performance.now()` reports it. */
  elapsed(): number;
  /** A clock that has ended runs no more timers. */
  readonly ended?: boolean;
  /** Arms a new or re-armed timer; the clock reads `kind` and `delay` and owns the timer until it fires. */
  arm(timer: VirtualTimer): void;
  /** Forgets an armed timer. Does nothing when it is not armed. */
  disarm(timer: VirtualTimer): void;
}

/** Where code that runs inside a world gets randomness from. */
export interface Entropy {
  /** A float in [0, 1), as `Math.random`. */
  random(): number;
  /** Fills the view with random bytes, as `crypto.getRandomValues`. */
  fillBytes(bytes: Uint8Array): void;
}

/** Runs native work for real, and delivers what comes of it when the world says so. */
export interface Gate {
  promise<T>(label: string, start: () => Promise<T>): Promise<T>;
  callback(
    label: string,
    start: (done: (...args: unknown[]) => void) => unknown,
    callback: (...args: unknown[]) => unknown,
  ): unknown;
}

/** Connections that stay in memory. */
export interface Network {
  /** Different for every network of the process: shared agents keep their connections apart by it. */
  readonly id: number;
  connect(endpoint: Endpoint): Duplex;
  listen(server: Server, endpoint: Endpoint): void;
}

/**
 * What the patched globals consult, found through the async context of the caller. A part that is left out means
 * "the real thing", so a test can have a virtual clock and real randomness, or the reverse.
 */
export interface World {
  readonly clock?: Clock | undefined;
  readonly entropy?: Entropy | undefined;
  /** Replaces `globalThis.fetch`. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Replaces the sockets of `node:net`, and so of `node:http`. */
  readonly network?: Network | undefined;
  /** Takes over the calls of `node:fs`, `node:zlib` and `node:crypto` that complete later. */
  readonly gate?: Gate | undefined;
  /** Receives what a `process.nextTick` or `queueMicrotask` callback throws. */
  readonly onCallbackError?: ((error: unknown) => void) | undefined;
  /** Receives the reason of a rejection that nobody handled; Node's own handlers are then not called. */
  readonly onUnhandledRejection?: ((reason: unknown) => void) | undefined;
}

const storage = processSingleton("world-storage", () => new AsyncLocalStorage<World | undefined>());

/** The world of the running code, or undefined in real time. */
export function currentWorld(): World | undefined {
  return storage.getStore();
}

/** Runs `fn` inside `world`: everything it starts, and everything that starts, sees that world's clock and randomness. */
export function runInWorld<T>(world: World, fn: () => T): T {
  return storage.run(world, fn);
}

/** Runs `fn` in real time, whatever world the caller is in. */
export function runOutsideWorlds<T>(fn: () => T): T {
  return storage.run(undefined, fn);
}
