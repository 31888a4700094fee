import { SupertesterError } from "../context/errors.ts";
import { realDelay, turn } from "../context/real-time.ts";
import type { ScopeContext } from "../context/scope-context.ts";
import { creationLine } from "./creation-site.ts";
import { inFlightOf } from "./in-flight-http.ts";
import { holdsProcess, ledgerOf, repeats } from "./ledger.ts";

/** How to wait for quiescence. */
export interface SettleOptions {
  /** Real milliseconds to wait at most. Default 5000. */
  readonly limitMs?: number;
}

/** A scope did not come to rest within the limit; `pending` says what it was waiting for and where that was made. */
export class NotSettledError extends SupertesterError {
  override name = "NotSettledError";
  readonly pending: readonly string[];

  constructor(context: ScopeContext, pending: readonly string[], limitMs: number) {
    super(
      `"${context.id}" did not come to rest within ${limitMs} ms, so nothing can be said about what it has emitted. Still pending:\n` +
        pending.map((line) => `  ${line}`).join("\n"),
    );
    this.pending = pending;
  }
}

const calmTurns = 3;

/** What `context` still has under way: one-shot timers that hold the process, immediates, operations, HTTP requests. */
export function pendingWork(context: ScopeContext): readonly string[] {
  const lines = [...inFlightOf(context).values()].map((request) => `HTTP request ${request}`);
  for (const owned of ledgerOf(context).owned.values()) {
    if (owned.kind === "handle" || repeats(owned) || !holdsProcess(owned)) continue;
    lines.push(`${owned.type} created at ${creationLine(owned.site)}`);
  }
  return lines;
}

function isBusy(context: ScopeContext): boolean {
  if (inFlightOf(context).size > 0) return true;
  for (const owned of ledgerOf(context).owned.values()) {
    if (owned.kind !== "handle" && !repeats(owned) && holdsProcess(owned)) return true;
  }
  return false;
}

/**
 * Resolves when the scope is at rest: three turns of the event loop in a row in which it had no runnable callback, no
 * one-shot timer, no operation of Node and no HTTP request under way. Intervals, unref'd timers and open handles are
 * background: they do not count.
 *
 * @throws NotSettledError when it is still busy after the limit.
 */
export async function settle(context: ScopeContext, { limitMs = 5000 }: SettleOptions = {}): Promise<void> {
  const deadline = process.hrtime.bigint() + BigInt(limitMs) * 1_000_000n;
  for (let calm = 0, spins = 0; calm < calmTurns; spins += 1) {
    // Turns first, because most waits end within a few; then pauses, so that a slow operation does not burn a core.
    await (spins < 64 ? turn() : realDelay(1));
    if (!isBusy(context)) {
      calm += 1;
      continue;
    }
    calm = 0;
    if (process.hrtime.bigint() > deadline) throw new NotSettledError(context, pendingWork(context), limitMs);
  }
}
