import type { CreateSessionRequest } from "@tinkex/protocol";
import { HttpError } from "./http-error.ts";
import { uniqueId, type Runtime } from "./runtime.ts";

/** What one client does, from its first request until its heartbeats stay away. */
export interface Session {
  readonly id: string;
  projectId: string | undefined;
  /** Milliseconds since the Unix epoch; the creation counts as the first beat. */
  lastBeat: number;
  /** Models by `model_seq_id`, so that a repeated creation finds the first one. */
  readonly models: Map<number, { readonly digest: string; readonly requestId: string; readonly modelId: string }>;
  /** Sampling sessions by `sampling_session_seq_id`. */
  readonly samplers: Map<number, { readonly digest: string; readonly id: Promise<string> }>;
}

/** Idempotency keys remembered; a client uses one for the retries of one call, so few are ever live. */
const keptKeys = 1000;
/** Ends of sessions remembered, to tell an expired id from one that never was. */
const keptEnds = 10_000;

/** Sessions by id. They end by missed heartbeats only, which is looked at whenever a request comes in: no timer runs. */
export class Sessions {
  readonly #runtime: Runtime;
  readonly #expiryMs: number;
  readonly #live = new Map<string, Session>();
  readonly #ended = new Set<string>();
  readonly #byKey = new Map<string, string>();
  /** No session can expire before this. */
  #checkAt = 0;

  constructor(runtime: Runtime, expiryMs: number) {
    this.#runtime = runtime;
    this.#expiryMs = expiryMs;
  }

  get size(): number {
    return this.#live.size;
  }

  /** Newest first. */
  list(): readonly Session[] {
    return [...this.#live.values()].toReversed();
  }

  /** A new session, or the one that the same idempotency key made before. */
  create(request: CreateSessionRequest, idempotencyKey: string | undefined): Session {
    const known = this.#live.get(this.#byKey.get(idempotencyKey ?? "") ?? "");
    if (known !== undefined) return known;
    const session: Session = {
      id: `session-${uniqueId(this.#runtime)}`,
      projectId: request.projectId,
      lastBeat: this.#runtime.now(),
      models: new Map(),
      samplers: new Map(),
    };
    this.#live.set(session.id, session);
    if (idempotencyKey !== undefined) {
      this.#byKey.set(idempotencyKey, session.id);
      forgetOldest(this.#byKey, keptKeys);
    }
    return session;
  }

  /** The live session; throws a 404 that tells an ended one from one that never was. */
  get(id: string): Session {
    const session = this.#live.get(id);
    if (session !== undefined) return session;
    throw new HttpError(
      404,
      this.#ended.has(id)
        ? `Session ${id} ended: no heartbeat came for ${this.#expiryMs / 1000} s. Its models and samplers are gone, its checkpoints are not. Create a new session and load one.`
        : `Unknown session ${JSON.stringify(id.slice(0, 100))}. Sessions end with the server; create a new one.`,
    );
  }

  beat(id: string): void {
    this.get(id).lastBeat = this.#runtime.now();
  }

  /** Ends the sessions whose beats stayed away, and returns them. */
  expire(): readonly Session[] {
    const now = this.#runtime.now();
    if (now < this.#checkAt) return [];
    const expired = [...this.#live.values()].filter((session) => session.lastBeat + this.#expiryMs <= now);
    for (const { id } of expired) {
      this.#live.delete(id);
      this.#ended.add(id);
    }
    forgetOldest(this.#ended, keptEnds);
    // Later beats and later sessions only expire later than this.
    const oldestBeat = [...this.#live.values()].reduce((oldest, { lastBeat }) => Math.min(oldest, lastBeat), now);
    this.#checkAt = oldestBeat + this.#expiryMs;
    return expired;
  }
}

/** Drops the entries that were put in first, until `keep` are left. */
export function forgetOldest<K>(collection: Set<K> | Map<K, unknown>, keep: number): void {
  for (const key of collection.keys()) {
    if (collection.size <= keep) return;
    collection.delete(key);
  }
}
