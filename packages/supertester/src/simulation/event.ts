import { hashText, mix } from "../world/seeded-random.ts";
import type { Lane } from "./lane.ts";

/**
 * A sequence of events in which each was started by the continuation of the one before. The first operation that a
 * continuation starts continues its chain, siblings open new ones; so two forks inside one async function are two
 * chains, which is what priority-based search needs in order to tell them apart.
 */
export interface Chain {
  /** Larger runs first under a priority strategy; unused by the others. */
  priority: number;
  /** Events of this chain that have not run yet. */
  pending: number;
}

export type EventKind = "start" | "io" | "timer" | "immediate";

/** A macrotask of the simulation that has not run yet, or has. Which one runs next is what a schedule decides. */
export class SimEvent {
  readonly lane: Lane;
  readonly label: string;
  readonly kind: EventKind;
  /** 1-based count of this label in this lane. */
  readonly occurrence: number;
  /** Hash of lane, label and occurrence: the same event has the same id in every schedule of the same body. */
  readonly id: number;
  /** Virtual milliseconds: not before, and not after unless nothing else could run. */
  readonly earliest: number;
  readonly latest: number;
  /** Creation order within the run. */
  readonly order: number;
  readonly chain: Chain;
  readonly action: () => void;
  /** Events that had been created when this one ran; an event whose `order` is below this was there to be picked. */
  createdWhenRun: number = Infinity;
  /** Nobody waits for it any more: it may still happen, and is no leak if it does not. */
  isAbandoned = false;
  /** Whether it could have taken longer before the next timer, and whether it did; set when it runs. */
  lateness: "none" | "possible" | "taken" = "none";
  /** Where it was started; known only in a traced run. */
  site: string | undefined;

  constructor(
    fields: Omit<SimEvent, "id" | "key" | "occurrence" | "createdWhenRun" | "isAbandoned" | "lateness" | "site">,
  ) {
    this.lane = fields.lane;
    this.label = fields.label;
    this.kind = fields.kind;
    this.earliest = fields.earliest;
    this.latest = fields.latest;
    this.order = fields.order;
    this.chain = fields.chain;
    this.action = fields.action;
    this.occurrence = fields.lane.nextOccurrence(fields.label);
    this.id = eventId(fields.lane, fields.label, this.occurrence);
  }

  /** How reports and explanations name the event: `A: token <= #2`. */
  get key(): string {
    return eventKey(this.lane, this.label, this.occurrence);
  }
}

export function eventId(lane: Lane, label: string, occurrence: number): number {
  return mix(mix(lane.hash, labelHash(label)), occurrence);
}

export function eventKey(lane: Lane, label: string, occurrence: number): string {
  return `${lane.name}: ${label}${occurrence === 1 ? "" : ` #${occurrence}`}`;
}

const labelHashes = new Map<string, number>();

function labelHash(label: string): number {
  let hash = labelHashes.get(label);
  if (hash === undefined) {
    // Labels can hold request ids; the cache must not grow with them.
    if (labelHashes.size >= 4096) labelHashes.clear();
    hash = hashText(label);
    labelHashes.set(label, hash);
  }
  return hash;
}
