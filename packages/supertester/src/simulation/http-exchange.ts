import type { AsyncResource } from "node:async_hooks";
import { runInWorld } from "../world/world.ts";
import type { SimEvent } from "./event.ts";
import { answerRequest } from "./answer-request.ts";
import { BodyPump } from "./body-pump.ts";
import type { Fault, HttpApplication, HttpHandler, OutgoingRequest, SimResponse } from "./http-types.ts";
import { IncomingChunks, type ChunkConsumer } from "./incoming-chunks.ts";
import type { Kernel } from "./kernel.ts";
import type { Lane } from "./lane.ts";
import type { Latency } from "./options.ts";

/** What the client gets: the whole body, or chunks that arrive as events. */
export interface Answer {
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers | Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | undefined | IncomingChunks;
}

/** Receives the answer, or the reason why there is none. Called outside every world. */
export interface Client {
  answered(answer: Answer): void;
  failed(error: unknown): void;
}

/** A mounted server. */
export interface Server {
  readonly target: HttpHandler | HttpApplication;
  /** Of one direction. */
  readonly latency: Latency;
  readonly longest: number;
  /** Handlers run in the context in which they were mounted. */
  readonly context: AsyncResource;
}

/** One request and its response: arrival, answer and every chunk are events of their own. */
export class HttpExchange {
  readonly #kernel: Kernel;
  readonly #server: Server;
  readonly #request: OutgoingRequest;
  readonly #client: Client;
  readonly #clientLane: Lane;
  readonly #serverLane: Lane;
  readonly #label: string;
  readonly #fault: Fault | undefined;
  readonly #disconnect = new AbortController();
  #state: "sent" | "serving" | "answered" | "closed" = "sent";
  readonly #arrival: SimEvent;
  #delivery: SimEvent | undefined;
  #chunks: IncomingChunks | undefined;

  constructor(
    kernel: Kernel,
    server: Server,
    request: OutgoingRequest,
    lanes: { readonly client: Lane; readonly server: Lane },
    fault: Fault | undefined,
    client: Client,
  ) {
    this.#kernel = kernel;
    this.#server = server;
    this.#request = request;
    this.#clientLane = lanes.client;
    this.#serverLane = lanes.server;
    this.#client = client;
    this.#fault = fault;
    this.#label = `${request.method} ${request.url.host}${request.url.pathname}`;
    this.#arrival = this.#event(`${this.#label} =>`, lanes.client, () => this.#arrive());
    if (fault === "duplicate") {
      const again = this.#event(`${this.#label} => again`, lanes.client, () => void this.#serve().catch(() => {}));
      // The network's doing: a client that has had its answer cannot wait for it, and leaves nothing behind.
      again.isAbandoned = true;
    }
  }

  /** The client has gone away; the server learns of it after some latency. */
  abort(): void {
    const wasServing = this.#state === "serving" || this.#state === "sent" || this.#chunks?.isDone === false;
    this.#state = "closed";
    // What is on its way to the server cannot be called back.
    this.#arrival.isAbandoned = true;
    this.#cancelDelivery();
    this.#chunks?.drop();
    if (wasServing) this.#event(`${this.#label} => closed`, this.#serverLane, () => this.#disconnect.abort());
  }

  #arrive(): void {
    if (this.#fault === "reset-before") {
      this.#fail(connectionReset());
      return;
    }
    if (this.#state === "sent") this.#state = "serving";
    if (typeof this.#fault === "object" && "clockJump" in this.#fault) {
      this.#kernel.jumpClock(this.#fault.clockJump);
    } else if (typeof this.#fault === "object") {
      const { status, retryAfter } = this.#fault;
      this.#respond({ status, headers: retryAfter === undefined ? {} : { "retry-after": String(retryAfter) } });
      return;
    }
    this.#serve().then(
      (response) => this.#respond(response),
      (error: unknown) => this.#respond({ status: 500, body: `${String(error)}\n` }),
    );
  }

  /** Runs the server in its own lane. */
  #serve(): Promise<SimResponse | Response> {
    const { target, context } = this.#server;
    const answer = () => answerRequest(target, this.#request, this.#disconnect.signal);
    return context.runInAsyncScope(() => runInWorld(this.#serverLane, answer));
  }

  #respond(response: SimResponse | Response): void {
    if (this.#state === "closed") {
      if (response instanceof Response) void response.body?.cancel().catch(() => {});
      return;
    }
    if (this.#fault === "hang") return;
    // Reading is what makes a server write, so it is the server's doing.
    const body = response instanceof Response ? response.body : null;
    const pump = body === null ? undefined : runInWorld(this.#serverLane, () => new BodyPump(body));
    // As text now: what the server does to the object afterwards does not change what it has sent.
    const text = plainBody(response);
    this.#delivery = this.#event(`${this.#label} <=`, this.#clientLane, () => {
      if (this.#fault === "reset-after") this.#fail(connectionReset());
      else this.#deliver(response, text, pump);
    });
  }

  #deliver(response: SimResponse | Response, text: string | Uint8Array | undefined, pump: BodyPump | undefined): void {
    this.#state = "answered";
    const { status = 200, headers = {} } = response;
    const statusText = response instanceof Response ? response.statusText : "";
    const body = pump === undefined ? text : pump.complete();
    const isCut = this.#fault === "truncate" || this.#fault === "slow";
    if (pump !== undefined && body === undefined) {
      this.#chunks = new IncomingChunks(
        (consumer) => this.#stream(pump, consumer),
        () => {
          pump.cancel();
          this.#cancelDelivery();
        },
      );
    } else if (isCut && body !== undefined) {
      const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
      this.#chunks = new IncomingChunks(
        (consumer) => this.#cut(bytes, consumer),
        () => this.#cancelDelivery(),
      );
    }
    const isJson = !(response instanceof Response) && response.json !== undefined;
    const sent = isJson ? Object.assign({ "content-type": "application/json" }, headers) : headers;
    this.#client.answered({ status, statusText, headers: sent, body: this.#chunks ?? body });
  }

  /** Hands out what the server writes, one event per chunk, in order. */
  #stream(pump: BodyPump, consumer: ChunkConsumer): void {
    pump.onReady = () => {
      pump.onReady = undefined;
      this.#delivery = this.#event(`${this.#label} <= chunk`, this.#clientLane, () => {
        const chunk = pump.take();
        if (chunk === "end") consumer.end();
        else if (chunk instanceof Uint8Array) consumer.chunk(chunk);
        else consumer.error(chunk.error);
        if (chunk instanceof Uint8Array) this.#stream(pump, consumer);
      });
    };
    pump.poll();
  }

  #cut(bytes: Uint8Array, consumer: ChunkConsumer): void {
    const half = Math.floor(bytes.length / 2);
    consumer.chunk(bytes.subarray(0, half));
    const { longest } = this.#server;
    const latency: Latency = this.#fault === "slow" ? [longest, longest] : this.#server.latency;
    this.#delivery = this.#kernel.schedule(
      "io",
      `${this.#label} <= rest`,
      latency,
      () => {
        if (this.#fault === "truncate") {
          consumer.error(new TypeError("terminated", { cause: socketError("UND_ERR_SOCKET", "other side closed") }));
          return;
        }
        consumer.chunk(bytes.subarray(half));
        consumer.end();
      },
      this.#clientLane,
    );
  }

  #cancelDelivery(): void {
    if (this.#delivery !== undefined) this.#kernel.cancel(this.#delivery);
  }

  #fail(error: unknown): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#client.failed(error);
  }

  #event(label: string, lane: Lane, action: () => void): SimEvent {
    return this.#kernel.schedule("io", label, this.#server.latency, action, lane);
  }
}

/** What Node's `fetch` rejects with when a connection breaks. */
function connectionReset(): TypeError {
  return new TypeError("fetch failed", { cause: socketError("ECONNRESET", "read ECONNRESET") });
}

function socketError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

function plainBody(response: SimResponse | Response): string | Uint8Array | undefined {
  if (response instanceof Response) return undefined;
  return response.json === undefined ? response.body : JSON.stringify(response.json);
}
