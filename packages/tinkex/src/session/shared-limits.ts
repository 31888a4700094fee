import { createHash } from "node:crypto";
import { BackoffGate } from "../concurrency/backoff-gate.ts";
import { PermitPool } from "../concurrency/permit-pool.ts";
import type { Runtime } from "../runtime.ts";
import { isolatable } from "./isolatable.ts";

/**
 * What every client of one credential on one server shares, because the server counts them together. The numbers are
 * the official client's; the two byte budgets are replaced by the server's configuration.
 */
export interface SharedLimits {
  readonly gate: BackoffGate;
  /** Samples being submitted at once. */
  readonly dispatch: PermitPool;
  /** Estimated bytes of prompts being submitted. */
  readonly sampleBytes: PermitPool;
  /** Bytes of large results being fetched. */
  readonly responseBytes: PermitPool;
}

/** A client's share in the limits; disposing it gives the share back. */
export interface SharedLimitsLease extends Disposable {
  readonly limits: SharedLimits;
}

interface Entry {
  readonly limits: SharedLimits;
  leases: number;
}

/**
 * By runtime first: limits made on one clock mean nothing on another, and tests that bring their own runtime are apart
 * from each other. The system runtime is one object, so that real clients all meet here.
 */
const registries = isolatable("tinkex.limits", () => new WeakMap<Runtime, Map<string, Entry>>());

/**
 * Joins the limits for this server and credential. Looking up and creating happen in one synchronous step, so any
 * number of concurrent callers get the same object, and it lives as long as one of them does; a gate that is still shut
 * then outlives them, or the next client would hammer a server that has just said no.
 */
export function shareLimits(runtime: Runtime, baseUrl: string, apiKey: string): SharedLimitsLease {
  const known = registries();
  let registry = known.get(runtime);
  if (!registry) known.set(runtime, (registry = new Map()));
  sweep(registry);

  const key = `${normalise(baseUrl)} ${createHash("sha256").update(apiKey).digest("base64")}`;
  let entry = registry.get(key);
  if (!entry) registry.set(key, (entry = { limits: createLimits(runtime), leases: 0 }));
  entry.leases += 1;

  const { limits } = entry;
  const leased = entry;
  let held = true;
  return {
    limits,
    [Symbol.dispose]: () => {
      if (!held) return;
      held = false;
      leased.leases -= 1;
      sweep(registry);
    },
  };
}

/** How many (server, credential) pairs are remembered for `runtime`. For leak checks. */
export function sharedLimitsCount(runtime: Runtime): number {
  return registries().get(runtime)?.size ?? 0;
}

function sweep(registry: Map<string, Entry>): void {
  for (const [key, { leases, limits }] of registry) {
    if (leases === 0 && limits.gate.remainingMs === 0) registry.delete(key);
  }
}

function createLimits(runtime: Runtime): SharedLimits {
  return {
    gate: new BackoffGate(runtime),
    dispatch: new PermitPool(400),
    sampleBytes: new PermitPool(10 * 1024 * 1024),
    responseBytes: new PermitPool(50 * 1024 * 1024),
  };
}

/** `HTTP://Host:80/a/` and `http://host/a` are one server. */
function normalise(baseUrl: string): string {
  const { origin, pathname } = new URL(baseUrl);
  return origin + pathname.replace(/\/+$/, "");
}
