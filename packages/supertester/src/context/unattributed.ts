import { inspect } from "node:util";
import { processSingleton } from "./process-singleton.ts";
import { activeContext, type Facet, type ScopeContext } from "./scope-context.ts";

/** Something that was emitted while no live test owned the emitting code. */
export interface Unattributed {
  /**
   * `event`: a diagnostics channel. `log`: a logger, console or standard stream. `span`, `log-record`, `measurement`:
   * OpenTelemetry. `rejection`: nobody handled it, and its test had ended.
   */
  readonly kind: "event" | "log" | "span" | "log-record" | "measurement" | "rejection";
  /** Channel, stream, span or instrument name. */
  readonly name: string;
  readonly value: unknown;
  /** The id of the test that owned the emitting code and had already ended. */
  readonly lateFrom?: string;
  /** Position among everything that was recorded in this process. */
  readonly sequence: number;
}

const capacity = 1000;

interface Bucket {
  sequence: number;
  readonly entries: Unattributed[];
}

const bucket = processSingleton<Bucket>("unattributed", () => ({ sequence: 0, entries: [] }));

/** The next position in the one order that everything recorded in this process shares. */
export function nextSequence(): number {
  return (bucket.sequence += 1);
}

/** Keeps what has no owner: never dropped silently, never guessed to be somebody's. The newest 1000 are kept. */
export function recordUnattributed(kind: Unattributed["kind"], name: string, value: unknown): void {
  const late = activeContext();
  const entry: Unattributed = {
    kind,
    name,
    value,
    sequence: nextSequence(),
    ...(late === undefined ? {} : { lateFrom: late.id }),
  };
  bucket.entries.push(entry);
  if (bucket.entries.length > capacity) bucket.entries.splice(0, capacity / 2);
}

/** What was emitted without a live owner, oldest first: all that is kept, or only what came after `since`. */
export function unattributed(since = 0): readonly Unattributed[] {
  return bucket.entries.filter(({ sequence }) => sequence > since);
}

/** Where in the order a scope began. */
const beginnings: Facet<number> = { name: "beginning", create: () => 0 };

/** Notes the position at which `context` begins, so that it can tell what became lost while it ran. */
export function beginSequence(context: ScopeContext): void {
  context.set(beginnings, bucket.sequence);
}

/** What was emitted without a live owner since `context` began. Any of it may be this scope's. */
export function unattributedSince(context: ScopeContext): readonly Unattributed[] {
  return unattributed(context.get(beginnings));
}

/** One line for a failure message. */
export function describeUnattributed({ kind, name, value, lateFrom }: Unattributed): string {
  const origin = lateFrom === undefined ? "no owner" : `from "${lateFrom}", which had ended`;
  return `${kind} ${name} (${origin}): ${shorten(inspect(value, { depth: 2, breakLength: Infinity }))}`;
}

/** `text` cut to a length that a message can hold. */
export function shorten(text: string, length = 200): string {
  return text.length <= length ? text : `${text.slice(0, length)}… (${text.length} characters)`;
}
