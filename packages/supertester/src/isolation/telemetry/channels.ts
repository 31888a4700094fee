import { subscribe } from "node:diagnostics_channel";
import { IsolationError } from "../../context/errors.ts";
import { processSingleton } from "../../context/process-singleton.ts";
import { activeContext, type Facet, type ScopeContext } from "../../context/scope-context.ts";
import { contextOfRequest } from "../propagation/request-header.ts";
import { nextSequence, recordUnattributed } from "../../context/unattributed.ts";

/** A message published on a diagnostics channel by a test's code. */
export interface TelemetryEvent<T = unknown> {
  readonly channel: string;
  /** The published object itself, not a copy: what changes it later changes it here. */
  readonly message: T;
  /** How its owner was found: by the async context, or by the header of the request it is about. */
  readonly via: "context" | "header";
  /** Position among everything recorded in this process. */
  readonly sequence: number;
}

/** One scope's events: a buffer per captured channel, at the channel's index. */
type Buffers = (TelemetryEvent[] | undefined)[];

const captured: Facet<Buffers> = { name: "channels", create: () => [] };

/** Index of each channel that is routed, process-wide. */
const routed = () => processSingleton("routed-channels", () => new Map<string, number>());

function route(name: string, index: number): (message: unknown) => void {
  const aboutRequests = name.startsWith("undici:") || name.startsWith("http.");
  return (message) => {
    const byHeader = aboutRequests ? contextOfRequest(message) : undefined;
    const context = byHeader ?? activeContext();
    if (context === undefined || context.phase === "ended") {
      recordUnattributed("event", name, message);
      return;
    }
    context.peek(captured)?.[index]?.push({
      channel: name,
      message,
      via: byHeader === undefined ? "context" : "header",
      sequence: nextSequence(),
    });
  };
}

/**
 * Starts recording what `context` publishes on the channel; returns the live buffer. The process gets one subscriber per
 * channel, once, whatever the number of tests: a subscriber per test that filters costs a hundred times as much at a
 * hundred tests.
 */
export function captureChannel(context: ScopeContext, name: string): readonly TelemetryEvent[] {
  if (typeof name !== "string" || name === "") {
    throw new IsolationError(
      "invalid-argument",
      `a diagnostics channel has a name; this one is ${JSON.stringify(name)}`,
    );
  }
  const channels = routed();
  let index = channels.get(name);
  if (index === undefined) {
    channels.set(name, (index = channels.size));
    subscribe(name, route(name, index));
  }
  return (context.get(captured)[index] ??= []);
}

/** Everything captured for `context`, in the order of publication. */
export function eventsOf(context: ScopeContext): readonly TelemetryEvent[] {
  const buffers = context.peek(captured) ?? [];
  return buffers.flatMap((buffer) => buffer ?? []).sort((a, b) => a.sequence - b.sequence);
}

/** Whether `context` captures any channel: a check of events where none is captured would check nothing. */
export function capturesAny(context: ScopeContext): boolean {
  return (context.peek(captured) ?? []).some((buffer) => buffer !== undefined);
}

/** The five channels of a tracing channel. */
export const tracingPhases = ["start", "end", "asyncStart", "asyncEnd", "error"] as const;

/** Names of the channels behind `diagnostics_channel.tracingChannel(name)`. */
export function tracingChannelNames(name: string): readonly string[] {
  return tracingPhases.map((phase) => `tracing:${name}:${phase}`);
}
