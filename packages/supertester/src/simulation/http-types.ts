import type { Latency } from "./options.ts";

/** A request as a handler sees it. */
export interface SimRequest {
  readonly method: string;
  readonly url: URL;
  /** The path without the query. */
  readonly path: string;
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>;
  /** The body as text; empty when there is none. */
  readonly body: string;
  /** Aborted when the client goes away before it has the whole response. */
  readonly signal: AbortSignal;
  /** The body parsed as JSON; throws `SyntaxError` when it is not. */
  json(): unknown;
}

/** What a handler answers with. */
export interface SimResponse {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON with its content type. */
  readonly json?: unknown;
  readonly body?: string | Uint8Array;
}

/** Answers one request. Throwing is a status 500. */
export type HttpHandler = (request: SimRequest) => SimResponse | Response | Promise<SimResponse | Response>;

/** Anything with a `fetch(Request) => Response`, such as a Hono application. */
export interface HttpApplication {
  fetch(request: Request): Response | Promise<Response>;
}

/**
 * What can happen to a request instead of an ordinary exchange.
 *
 * - `reset-before`: the connection breaks before the server sees the request
 * - `reset-after`: the server acts, and the connection breaks before the answer arrives
 * - `hang`: the server acts, and the answer never arrives
 * - `duplicate`: the server sees the request twice; the first answer counts
 * - `truncate`: the body breaks off half-way
 * - `slow`: the body trickles in, one byte more than half of it after the longest latency
 * - a status, with `Retry-After` in seconds: the server refuses without acting
 * - `clockJump`: the wall clock (`Date`) jumps by so many milliseconds, back if negative, while the request is under way;
 *   the exchange itself is an ordinary one
 */
export type Fault =
  | "reset-before"
  | "reset-after"
  | "hang"
  | "duplicate"
  | "truncate"
  | "slow"
  | { readonly status: number; readonly retryAfter?: number }
  | { readonly clockJump: number };

/** Which faults a run may inject, and how many at most. Each is a recorded decision and is shrunk away when not needed. */
export interface Faults {
  readonly allow: readonly Fault[];
  /** Default 1 per run and host. */
  readonly max?: number;
}

/** Options of one host. */
export interface HttpOptions {
  /** Virtual milliseconds of a round trip, without what the server takes. Default: the run's `latency`. */
  readonly latency?: Latency;
  readonly faults?: Faults;
}

/** What a client sends. A stream body is handed to the server as it is, without events of its own. */
export interface OutgoingRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | ReadableStream<Uint8Array> | undefined;
}
