import { uniqueId, type Runtime } from "./runtime.ts";
import { HttpError } from "./http-error.ts";

/** What a future is for; the names that clients send as `X-Tinker-Request-Type`. */
export type FutureKind =
  | "CreateModel"
  | "UnloadModel"
  | "LoadWeights"
  | "ForwardBackward"
  | "OptimStep"
  | "SaveWeights"
  | "SaveWeightsForSampler"
  | "Sample";

/** How a piece of work ended. Results are kept encoded, so that their size is known and counted. */
export type Outcome =
  | { readonly type: "json"; readonly text: string }
  | { readonly type: "protobuf"; readonly message: "Sample" | "ForwardBackward"; readonly bytes: Uint8Array }
  | { readonly type: "error"; readonly message: string; readonly category: "user" | "server" };

interface Future {
  readonly requestId: string;
  readonly kind: FutureKind;
  readonly onForget: () => void;
  /** Polls waiting now; each wakes its request. */
  readonly waiters: Set<() => void>;
  outcome: Outcome | undefined;
  bytes: number;
}

/** Bytes that the outcome takes on the wire, nearly. */
function sizeOf(outcome: Outcome): number {
  switch (outcome.type) {
    case "json":
      return outcome.text.length;
    case "protobuf":
      return outcome.bytes.byteLength;
    case "error":
      return outcome.message.length;
  }
}

/** Small results still take this much; it keeps the byte bound honest for very many of them. */
const overheadBytes = 256;

/**
 * Work in progress and its results. A result may be read any number of times until it is forgotten: when more than
 * `keptResults` results or `keptResultBytes` bytes are held, those go first that were delivered longest ago, then
 * those that finished longest ago. Work in progress is never forgotten.
 */
export class FutureTable {
  readonly #runtime: Runtime;
  readonly #keptResults: number;
  readonly #keptBytes: number;
  readonly #prefix: string;
  readonly #pending = new Map<string, Future>();
  readonly #undelivered = new Map<string, Future>();
  readonly #delivered = new Map<string, Future>();
  #issued = 0;
  #bytes = 0;

  constructor(runtime: Runtime, limits: { readonly keptResults: number; readonly keptResultBytes: number }) {
    this.#runtime = runtime;
    this.#keptResults = limits.keptResults;
    this.#keptBytes = limits.keptResultBytes;
    this.#prefix = uniqueId(runtime);
  }

  /** Entries and waiting polls held now; both must return to rest when clients go away. */
  get size(): { readonly pending: number; readonly results: number; readonly bytes: number; readonly waiters: number } {
    let waiters = 0;
    for (const future of this.#pending.values()) waiters += future.waiters.size;
    return {
      pending: this.#pending.size,
      results: this.#undelivered.size + this.#delivered.size,
      bytes: this.#bytes,
      waiters,
    };
  }

  /** Opens a future. `onForget` runs when its result is dropped; a deduplication entry must end with it. */
  open(kind: FutureKind, onForget: () => void = () => {}): string {
    // The kind is part of the id, so that a forgotten sample can still be told from an id that never was.
    const requestId = `${this.#prefix}:${kind}:${this.#issued++}`;
    const future = { requestId, kind, onForget, waiters: new Set<() => void>(), outcome: undefined, bytes: 0 };
    this.#pending.set(requestId, future);
    return requestId;
  }

  /** Ends a future and wakes everyone who waits for it. Ending it a second time changes nothing. */
  settle(requestId: string, outcome: Outcome): void {
    const future = this.#pending.get(requestId);
    if (future === undefined) return;
    future.outcome = outcome;
    future.bytes = overheadBytes + sizeOf(outcome);
    this.#bytes += future.bytes;
    this.#pending.delete(requestId);
    this.#undelivered.set(requestId, future);
    for (const wake of future.waiters) wake();
    future.waiters.clear();
    this.#forgetSurplus();
  }

  /** The outcome if there is one by now or within `ms`; undefined when time ran out or `signal` aborted. */
  async wait(requestId: string, ms: number, signal: AbortSignal): Promise<Outcome | undefined> {
    const future = this.#find(requestId);
    if (future.outcome !== undefined) return future.outcome;
    const timer = new AbortController();
    let wake = (): void => {};
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    future.waiters.add(wake);
    signal.addEventListener("abort", wake, { once: true });
    if (signal.aborted) wake();
    this.#runtime.sleep(ms, timer.signal).then(wake, () => {});
    try {
      await woken;
    } finally {
      timer.abort();
      future.waiters.delete(wake);
      signal.removeEventListener("abort", wake);
    }
    return future.outcome;
  }

  /** Notes that a client was given the result, which makes it the first to be forgotten when room is short. */
  delivered(requestId: string): void {
    const future = this.#undelivered.get(requestId);
    if (future === undefined) return;
    this.#undelivered.delete(requestId);
    this.#delivered.set(requestId, future);
  }

  /** Fails everything still pending. */
  failPending(message: string): void {
    for (const requestId of this.#pending.keys()) {
      this.settle(requestId, { type: "error", message, category: "server" });
    }
  }

  #find(requestId: string): Future {
    const future = this.#pending.get(requestId) ?? this.#undelivered.get(requestId) ?? this.#delivered.get(requestId);
    if (future !== undefined) return future;
    const [prefix, kind, number] = requestId.split(":");
    if (prefix === this.#prefix && Number(number) < this.#issued) {
      if (kind === "Sample") throw new HttpError(410, "This sample's result is no longer kept; sample again.");
      throw new HttpError(
        404,
        `The result of ${requestId.slice(0, 100)} is no longer kept. The operation took effect; go on with the next one.`,
      );
    }
    throw new HttpError(
      404,
      `Unknown request_id ${JSON.stringify(requestId.slice(0, 100))}. Ids are valid only on the server that gave them, until it stops.`,
    );
  }

  #forgetSurplus(): void {
    while (this.#undelivered.size + this.#delivered.size > this.#keptResults || this.#bytes > this.#keptBytes) {
      const from = this.#delivered.size > 0 ? this.#delivered : this.#undelivered;
      const [oldest] = from.values();
      // The newest result stays whatever its size: a client must be able to fetch what it asked for.
      if (oldest === undefined || this.#undelivered.size + this.#delivered.size === 1) return;
      from.delete(oldest.requestId);
      this.#bytes -= oldest.bytes;
      oldest.onForget();
    }
  }
}
