import { AsyncResource } from "node:async_hooks";
import type { Server as NetServer } from "node:net";
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { SimulationError } from "./failure.ts";
import { hostedServer } from "./hosted-server.ts";
import { HttpExchange, type Answer, type Client, type Server } from "./http-exchange.ts";
import type { Fault, Faults, HttpApplication, HttpHandler, HttpOptions, OutgoingRequest } from "./http-types.ts";
import { IncomingChunks } from "./incoming-chunks.ts";
import type { Kernel } from "./kernel.ts";
import { Lane } from "./lane.ts";
import { LightResponse } from "./light-response.ts";
import { checkLatency } from "./options.ts";

interface Host extends Server {
  readonly name: string;
  readonly faults: Faults | undefined;
  faultsInjected: number;
  onSockets: NetServer | undefined;
  /** Per client lane, so that a server's events have the same names whichever client comes first. */
  readonly lanes: Map<Lane, Lane>;
}

/** The servers of one simulation, and the `fetch` that reaches them. */
export class HttpHosts {
  readonly #kernel: Kernel;
  readonly #hosts = new Map<string, Host>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    kernel.fetch = (input, init) => this.#fetch(input, init);
  }

  mount(name: string, target: HttpHandler | HttpApplication, { latency, faults }: HttpOptions): void {
    const url = URL.parse(name.includes("://") ? name : `http://${name}`);
    if (url === null)
      throw new TypeError(`Not a host: ${JSON.stringify(name)}. Give a name such as "api.test" or "localhost:3000".`);
    const [min, max] = checkLatency("latency", latency ?? this.#kernel.settings.latency);
    this.#hosts.set(url.host, {
      name: url.host,
      target,
      latency: [min / 2, max / 2],
      longest: max,
      context: new AsyncResource("supertester.host", { requireManualDestroy: true }),
      faults,
      faultsInjected: 0,
      onSockets: undefined,
      lanes: new Map(),
    });
  }

  /** The server that answers for a host (`name`, or `name:port` unless that is 80) on sockets. */
  hosted(authority: string): NetServer | undefined {
    const host = this.#hosts.get(authority);
    if (host !== undefined) host.onSockets ??= hostedServer(host.target);
    return host?.onSockets;
  }

  /** Starts an exchange; undefined when no such host is mounted, which also fails the run. */
  send(request: OutgoingRequest, client: Client): HttpExchange | undefined {
    const host = this.#hosts.get(request.url.host);
    if (host === undefined) {
      const { method, url } = request;
      const message = `escape: ${method} ${url.origin}${url.pathname} would leave the simulation; mount it with sim.http("${url.host}", ...)`;
      const error = new SimulationError("escape", message);
      this.#kernel.fail("escape", error);
      client.failed(new TypeError("fetch failed", { cause: error }));
      return undefined;
    }
    const { lane } = this.#kernel;
    let server = host.lanes.get(lane);
    if (server === undefined) {
      server = new Lane(this.#kernel, `${host.name} for ${lane.name}`, true);
      host.lanes.set(lane, server);
    }
    return new HttpExchange(this.#kernel, host, request, { client: lane, server }, this.#fault(host, request), client);
  }

  #fault(host: Host, { method, url }: OutgoingRequest): Fault | undefined {
    const { faults } = host;
    if (faults === undefined || host.faultsInjected >= (faults.max ?? 1)) return undefined;
    const value = this.#kernel.choose(
      faults.allow.length + 1,
      `fault in ${method} ${url.host}${url.pathname}`,
      "fault",
    );
    if (value > 0) host.faultsInjected++;
    return faults.allow[value - 1];
  }

  async #fetch(input: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    const signal = init.signal ?? (input instanceof Request ? input.signal : undefined);
    signal?.throwIfAborted();
    const request = outgoing(input, init);
    if (this.#kernel.ended) return new Promise(() => {});
    return new Promise((resolve, reject) => {
      const finish = () => signal?.removeEventListener("abort", onAbort);
      let streaming: ReadableStreamDefaultController<Uint8Array> | undefined;
      const exchange = this.send(request, {
        answered: (answer) => {
          if (answer.body instanceof IncomingChunks) {
            const body = streamOf(answer.body, finish, (controller) => (streaming = controller));
            resolve(realResponse(request.url, answer, body));
          } else {
            finish();
            resolve(wholeResponse(request.url, answer, answer.body));
          }
        },
        failed: (error) => {
          finish();
          reject(error);
        },
      });
      function onAbort(): void {
        finish();
        exchange?.abort();
        reject(signal?.reason as Error);
        streaming?.error(signal?.reason);
      }
      signal?.addEventListener("abort", onAbort);
    });
  }
}

/** Texts and bytes take a fast path; everything else goes through `Request`, which knows all the rules. */
function outgoing(input: string | URL | Request, init: RequestInit): OutgoingRequest {
  const { body, headers } = init;
  const isPlain =
    !(input instanceof Request) &&
    (body === undefined || body === null || typeof body === "string" || body instanceof Uint8Array);
  if (!isPlain) {
    const request = new Request(input, body instanceof ReadableStream ? { duplex: "half", ...init } : init);
    return {
      method: request.method,
      url: new URL(request.url),
      headers: Object.fromEntries(request.headers),
      body: request.body ?? undefined,
    };
  }
  const url = new URL(input);
  const method = (init.method ?? "GET").toUpperCase();
  if (body !== undefined && body !== null && (method === "GET" || method === "HEAD")) {
    throw new TypeError("Request with GET/HEAD method cannot have body.");
  }
  const sent: Record<string, string> = {};
  if (headers !== undefined) {
    const entries = headers instanceof Headers || Array.isArray(headers) ? headers : Object.entries(headers);
    for (const [name, value] of entries as Iterable<[string, string]>) sent[name.toLowerCase()] = value;
  }
  if (typeof body === "string") sent["content-type"] ??= "text/plain;charset=UTF-8";
  return { method, url, headers: sent, body: body ?? undefined };
}

function wholeResponse(url: URL, answer: Answer, body: string | Uint8Array | undefined): Response {
  if (!(answer.headers instanceof Headers)) {
    return new LightResponse(url.href, answer.status, answer.headers, body) as unknown as Response;
  }
  const encoding = answer.headers.get("content-encoding");
  return realResponse(url, answer, body instanceof Uint8Array && encoding !== null ? decode(body, encoding) : body);
}

function realResponse(
  url: URL,
  answer: Answer,
  body: string | Uint8Array | ReadableStream<Uint8Array> | undefined,
): Response {
  const { status, statusText, headers } = answer;
  const hasNoBody = status === 204 || status === 205 || status === 304;
  const response = new Response(hasNoBody ? null : (body as ConstructorParameters<typeof Response>[0]), {
    status,
    statusText,
    headers: headers as Headers,
  });
  Object.defineProperty(response, "url", { value: url.href });
  return response;
}

function streamOf(
  chunks: IncomingChunks,
  finish: () => void,
  started: (controller: ReadableStreamDefaultController<Uint8Array>) => void,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    start(controller) {
      started(controller);
      chunks.read({
        chunk: (bytes) => controller.enqueue(bytes),
        end: () => {
          finish();
          controller.close();
        },
        error: (error) => {
          finish();
          controller.error(error);
        },
      });
    },
    cancel() {
      finish();
      chunks.drop();
    },
  });
}

/** Node's `fetch` decodes bodies; synchronously here, because the asynchronous decoder is outside the simulation. */
function decode(body: Uint8Array, encoding: string): Uint8Array {
  switch (encoding) {
    case "gzip":
    case "x-gzip":
      return gunzipSync(body);
    case "deflate":
      return inflateSync(body);
    case "br":
      return brotliDecompressSync(body);
    case "zstd":
      return zstdDecompressSync(body);
    default:
      return body;
  }
}
