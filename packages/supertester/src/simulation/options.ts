import { parseEpoch } from "../world/virtual-clock.ts";

/** Smallest and largest duration in virtual milliseconds; the explorer decides where in between an event falls. */
export type Latency = readonly [min: number, max: number];

/** What to do about work that the body leaves behind: armed timers, I/O in flight and unfinished tasks. */
export type LeakPolicy = "fail" | "ignore";

/**
 * What to do when code reaches for something that the simulation does not control.
 *
 * - `fail`: the run fails and names the line
 * - `gate`: file system, zlib and crypto calls run for real, and their completion becomes a scheduled event; all else fails
 * - `ignore`: nothing, at the price of runs that may not be repeatable
 */
export type EscapePolicy = "fail" | "gate" | "ignore";

/** Options of one simulated run. */
export interface RunOptions {
  /** Seeds the randomness that the body sees. Default 1. */
  readonly seed?: number | string;
  /** Latency of I/O that states none. Default [1, 200] ms: bounded, so that client timeouts do not fire by themselves. */
  readonly latency?: Latency;
  /** Events after which a run counts as a livelock. Default 100,000. */
  readonly maxSteps?: number;
  /** Virtual milliseconds after which a run counts as a livelock. Default 24 hours. */
  readonly maxVirtualMs?: number;
  /** Default `"fail"`. */
  readonly leaks?: LeakPolicy;
  /** Default `"fail"`. */
  readonly escapes?: EscapePolicy;
  /** What `Date.now()` says at virtual time 0: epoch milliseconds or an ISO date. Default 2000-01-01T00:00:00Z. */
  readonly epoch?: number | string;
  /** How queues are drained between events: `sync` where Node allows it (the default), else one event-loop turn each. */
  readonly driver?: "auto" | "sync" | "turn";
}

/** Checked options with every default filled in. */
export interface RunSettings {
  readonly seed: number | string;
  readonly latency: Latency;
  readonly maxSteps: number;
  readonly maxVirtualMs: number;
  readonly leaks: LeakPolicy;
  readonly escapes: EscapePolicy;
  readonly epoch: number;
  readonly driver: "auto" | "sync" | "turn";
}

/** Throws `RangeError` naming the option that is out of range. */
export function runSettings(options: RunOptions): RunSettings {
  return {
    seed: options.seed ?? 1,
    latency: checkLatency("latency", options.latency ?? [1, 200]),
    maxSteps: checkPositive("maxSteps", options.maxSteps ?? 100_000),
    maxVirtualMs: checkPositive("maxVirtualMs", options.maxVirtualMs ?? 86_400_000),
    leaks: options.leaks ?? "fail",
    escapes: options.escapes ?? "fail",
    epoch: parseEpoch(options.epoch),
    driver: options.driver ?? "auto",
  };
}

export function checkLatency(name: string, latency: Latency): Latency {
  const [min, max] = latency;
  if (min >= 0 && max >= min) return latency;
  throw new RangeError(`${name} must be [min, max] in milliseconds with 0 <= min <= max, got [${latency.join(", ")}]`);
}

export function checkPositive(name: string, value: number): number {
  if (value > 0) return value;
  throw new RangeError(`${name} must be greater than 0, got ${value}`);
}
