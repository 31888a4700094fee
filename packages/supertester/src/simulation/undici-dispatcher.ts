import type { Answer, HttpExchange } from "./http-exchange.ts";
import type { OutgoingRequest } from "./http-types.ts";
import { IncomingChunks, type ChunkConsumer } from "./incoming-chunks.ts";
import type { HttpHosts } from "./http-hosts.ts";

/** What undici asks a dispatcher for: the part of its `DispatchOptions` that a simulation looks at. */
export interface DispatchRequest {
  readonly origin?: string | URL | undefined;
  readonly path: string;
  readonly method: string;
  readonly headers?: unknown;
  readonly body?: unknown;
}

/** undici's handler of one request, as of undici 8. */
export interface DispatchHandler {
  onRequestStart?(controller: DispatchController, context: unknown): void;
  onResponseStart?(
    controller: DispatchController,
    status: number,
    headers: Record<string, string>,
    statusText?: string,
  ): void;
  onResponseData?(controller: DispatchController, chunk: Buffer): void;
  onResponseEnd?(controller: DispatchController, trailers: Record<string, string>): void;
  onResponseError?(controller: DispatchController, error: Error): void;
}

/** undici's handle on a request under way. */
export interface DispatchController {
  readonly aborted: boolean;
  readonly paused: boolean;
  readonly reason: Error | null;
  readonly rawHeaders: string[];
  abort(reason: Error): void;
  pause(): void;
  resume(): void;
}

/** Hand it to `undici.request(url, { dispatcher })`, `undici.fetch` and the like. */
export interface SimDispatcher {
  dispatch(request: DispatchRequest, handler: DispatchHandler): boolean;
  close(): Promise<void>;
  destroy(): Promise<void>;
}

/** A dispatcher whose requests go to the mounted hosts: several times faster than undici's own agent over sockets in memory. */
export function simDispatcher(hosts: HttpHosts): SimDispatcher {
  return {
    dispatch(request, handler) {
      new Dispatch(hosts, request, handler)
        .start()
        .catch((error: unknown) => handler.onResponseError?.(noController, error as Error));
      return true;
    },
    close: () => Promise.resolve(),
    destroy: () => Promise.resolve(),
  };
}

class Dispatch implements DispatchController, ChunkConsumer {
  aborted = false;
  paused = false;
  reason: Error | null = null;
  rawHeaders: string[] = [];
  readonly #hosts: HttpHosts;
  readonly #request: DispatchRequest;
  readonly #handler: DispatchHandler;
  #exchange: HttpExchange | undefined;
  /** What arrived while the reader was paused. */
  #held: (() => void)[] = [];

  constructor(hosts: HttpHosts, request: DispatchRequest, handler: DispatchHandler) {
    this.#hosts = hosts;
    this.#request = request;
    this.#handler = handler;
  }

  async start(): Promise<void> {
    this.#handler.onRequestStart?.(this, {});
    if (this.aborted) return;
    const request = await outgoing(this.#request);
    this.#exchange = this.#hosts.send(request, {
      answered: (answer) => this.#answered(answer),
      failed: (error) => this.error(error),
    });
  }

  abort(reason: Error): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    this.#exchange?.abort();
    this.#handler.onResponseError?.(this, reason);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    while (!this.paused) {
      const next = this.#held.shift();
      if (next === undefined) return;
      next();
    }
  }

  chunk(bytes: Uint8Array): void {
    this.#hand(() => this.#handler.onResponseData?.(this, Buffer.from(bytes)));
  }

  end(): void {
    this.#hand(() => this.#handler.onResponseEnd?.(this, {}));
  }

  error(error: unknown): void {
    this.#hand(() => this.#handler.onResponseError?.(this, error as Error));
  }

  #answered({ status, statusText, headers, body }: Answer): void {
    const entries = [...(headers instanceof Headers ? headers : Object.entries(headers))];
    this.rawHeaders = entries.flat();
    this.#handler.onResponseStart?.(this, status, Object.fromEntries(entries), statusText);
    if (body instanceof IncomingChunks) {
      body.read(this);
      return;
    }
    if (body !== undefined && body.length > 0) this.chunk(typeof body === "string" ? Buffer.from(body) : body);
    this.end();
  }

  #hand(action: () => void): void {
    if (this.aborted) return;
    if (this.paused) this.#held.push(action);
    else action();
  }
}

const noController: DispatchController = {
  aborted: false,
  paused: false,
  reason: null,
  rawHeaders: [],
  abort: () => {},
  pause: () => {},
  resume: () => {},
};

async function outgoing({ origin, path, method, headers, body }: DispatchRequest): Promise<OutgoingRequest> {
  const bytes =
    body === undefined || body === null || typeof body === "string" || body instanceof Uint8Array
      ? body
      : await collect(body);
  return {
    method,
    url: new URL(path, origin ?? "http://localhost"),
    headers: headerObject(headers),
    body: bytes ?? undefined,
  };
}

async function collect(body: unknown): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body as AsyncIterable<Uint8Array | string>) {
    chunks.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  }
  return Buffer.concat(chunks);
}

/** undici takes headers as an object, as a flat list, or as pairs. */
function headerObject(headers: unknown): Record<string, string> {
  if (typeof headers !== "object" || headers === null) return {};
  const isFlat = Array.isArray(headers) && typeof headers[0] === "string";
  const pairs = isFlat
    ? Array.from(
        { length: headers.length / 2 },
        (_, index) => [headers[2 * index], headers[2 * index + 1]] as [unknown, unknown],
      )
    : Symbol.iterator in headers
      ? [...(headers as Iterable<[unknown, unknown]>)]
      : Object.entries(headers);
  return Object.fromEntries(
    pairs.map(([name, value]) => [String(name).toLowerCase(), Array.isArray(value) ? value.join(", ") : String(value)]),
  );
}
