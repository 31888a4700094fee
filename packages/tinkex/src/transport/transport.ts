import { randomUUID } from "node:crypto";
import { abortable } from "../concurrency/linked-signal.ts";
import type { BackoffGate } from "../concurrency/backoff-gate.ts";
import { limitTime } from "../concurrency/time-limit.ts";
import { ApiStatusError, ConnectionError, RequestTimeoutError, TinkerError, isRetryableStatus } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { httpEnd, httpStart } from "../telemetry/channels.ts";
import { parseRetryAfter } from "./retry-after.ts";
import { retryDelayMs } from "./retry-policy.ts";

/** One request, as far as the caller decides it. */
export interface HttpCall {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Route with its query, below the base URL: `/api/v1/…`. */
  readonly path: string;
  readonly body?: { readonly content: string | Uint8Array; readonly type: string };
  readonly headers?: Readonly<Record<string, string>>;
  /** Limit of one exchange, headers and body, in milliseconds. Default 60,000. */
  readonly timeoutMs?: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Told about each try, so that whoever waits can see why. */
export interface RetryObserver {
  /** The backoff gate is shut, and no try starts before it opens. */
  held(): void;
  trying(): void;
  /** The try failed and another follows in `delayMs`. */
  pausing(failure: TinkerError, delayMs: number): void;
}

export interface TransportOptions {
  readonly runtime: Runtime;
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly headers: Readonly<Record<string, string>>;
}

const defaultTimeoutMs = 60_000;
const maximumDetailLength = 500;

/** Speaks HTTP to one server with one credential. Knows nothing of what the requests mean. */
export class Transport {
  readonly #runtime: Runtime;
  readonly #base: string;
  readonly #apiKey: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor({ runtime, baseUrl, apiKey, headers }: TransportOptions) {
    this.#runtime = runtime;
    this.#base = baseUrl.replace(/\/+$/, "");
    this.#apiKey = apiKey;
    this.#headers = headers;
  }

  /**
   * Sends until the answer is 2xx, a failure is definite, or `signal` aborts. All tries carry one idempotency key. With
   * a gate, no try starts while it is shut, and a 429 shuts it for everyone.
   */
  async request(
    call: HttpCall,
    signal: AbortSignal,
    gate?: BackoffGate,
    observer?: RetryObserver,
  ): Promise<HttpAnswer> {
    const idempotencyKey = randomUUID();
    for (let failures = 0; ; failures++) {
      const outcome = await this.#try(call, signal, idempotencyKey, failures, gate, observer);
      if (!(outcome instanceof TinkerError)) return outcome;

      const delayMs = retryDelayMs(outcome, failures, this.#runtime.random());
      if (delayMs === undefined) throw outcome;
      observer?.pausing(outcome, delayMs);
      if (gate && outcome instanceof ApiStatusError && outcome.status === 429) gate.shutFor(delayMs);
      else await this.#runtime.sleep(delayMs, { signal });
    }
  }

  async #try(
    call: HttpCall,
    signal: AbortSignal,
    idempotencyKey: string,
    failures: number,
    gate: BackoffGate | undefined,
    observer: RetryObserver | undefined,
  ): Promise<HttpAnswer | TinkerError> {
    if (gate !== undefined && gate.remainingMs > 0) observer?.held();
    using _passage = await gate?.enter(signal);
    observer?.trying();
    const outcome = await this.exchange(call, signal, idempotencyKey, failures);
    return outcome instanceof TinkerError ? outcome : (this.failure(call, outcome) ?? outcome);
  }

  /** Sends once and resolves with the answer, whatever its status, or with why there is none. Throws only on abort. */
  async exchange(
    call: HttpCall,
    signal: AbortSignal,
    idempotencyKey: string = randomUUID(),
    retryCount = 0,
  ): Promise<HttpAnswer | ConnectionError | RequestTimeoutError> {
    const timeoutMs = call.timeoutMs ?? defaultTimeoutMs;
    const what = nameOf(call);
    const expired = (): Error => new RequestTimeoutError(what, timeoutMs);
    using limit = limitTime(this.#runtime, timeoutMs, expired, signal);
    limit.signal.throwIfAborted();

    const event = { method: call.method, path: call.path, retryCount };
    httpStart.publish(event);
    let status: number | undefined;
    try {
      const request = new Request(this.#base + call.path, {
        method: call.method,
        headers: this.#requestHeaders(call, idempotencyKey, retryCount),
        // The type allows for shared memory, which no encoder of ours uses and fetch would copy anyway.
        body: (call.body?.content as string | Uint8Array<ArrayBuffer> | undefined) ?? null,
        signal: limit.signal,
        // A redirect would carry the key, a header of our own that fetch does not strip, to wherever it points.
        redirect: "manual",
      });
      // Raced with the signal because an injected fetch may not look at it, and no caller may be left waiting.
      const response = await abortable(this.#runtime.fetch(request), limit.signal);
      const body = new Uint8Array(await abortable(response.arrayBuffer(), limit.signal));
      status = response.status;
      return { status, headers: response.headers, body };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (limit.signal.aborted && limit.signal.reason instanceof RequestTimeoutError) return limit.signal.reason;
      return new ConnectionError(`${what} got no answer from ${this.#base}: ${rootMessage(error)}`, { cause: error });
    } finally {
      httpEnd.publish({ ...event, status });
    }
  }

  /** What an answer other than 2xx means; `undefined` for 2xx. */
  failure(call: HttpCall, { status, headers, body }: HttpAnswer): ApiStatusError | ConnectionError | undefined {
    if (status >= 200 && status < 300) return undefined;
    const what = nameOf(call);
    // A proxy in front of the service rejects with an empty 400; the service itself always says what was wrong.
    if (status === 400 && body.length === 0) return new ConnectionError(`${what} was rejected with an empty 400`);
    return new ApiStatusError(what, status, this.#detail(body), {
      retryAfterMs: parseRetryAfter(headers),
      retryable: retryableByHeader(headers) ?? isRetryableStatus(status),
    });
  }

  #requestHeaders(call: HttpCall, idempotencyKey: string, retryCount: number): Record<string, string> {
    return {
      accept: "application/json",
      "user-agent": userAgent,
      ...this.#headers,
      ...(call.body && { "content-type": call.body.type }),
      ...(call.method !== "GET" && { "x-idempotency-key": idempotencyKey }),
      "x-stainless-retry-count": String(retryCount),
      ...call.headers,
      "x-api-key": this.#apiKey,
    };
  }

  /** The server's own words, cut short, and without the key in case it echoes it. */
  #detail(body: Uint8Array): string {
    const text = new TextDecoder().decode(body);
    return detailOf(text).replaceAll(this.#apiKey, "[redacted]").slice(0, maximumDetailLength);
  }
}

function nameOf(call: HttpCall): string {
  return `${call.method} ${call.path.split("?", 1)[0]}`;
}

const userAgent = `tinkex (node ${process.versions.node})`;

function retryableByHeader(headers: Headers): boolean | undefined {
  const value = headers.get("x-should-retry");
  return value === "true" ? true : value === "false" ? false : undefined;
}

function detailOf(text: string): string {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === "object" && json !== null) {
      for (const key of ["detail", "error", "message"]) {
        const value = (json as Record<string, unknown>)[key];
        if (typeof value === "string") return value;
        if (value !== undefined && value !== null) return JSON.stringify(value);
      }
    }
  } catch {
    // Not JSON: proxies and crashed servers answer in plain text or HTML.
  }
  return text.trim();
}

/** `fetch failed` says nothing; its cause says `connect ECONNREFUSED 127.0.0.1:1`. */
function rootMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? rootMessage(error.cause) : error.message;
}
