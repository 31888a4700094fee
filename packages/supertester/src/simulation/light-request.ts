import type { OutgoingRequest } from "./http-types.ts";

/**
 * A `Request` whose body is already here, as `LightResponse` is a `Response`: with its streams and signals, a real one
 * costs a server more than answering. It turns itself into a real one when asked for more than the usual.
 */
export class LightRequest {
  readonly method: string;
  readonly url: string;
  readonly signal: AbortSignal;
  readonly #sent: OutgoingRequest;
  #headers: Headers | undefined;
  #real: Request | undefined;
  #used = false;

  constructor(sent: OutgoingRequest, signal: AbortSignal) {
    this.method = sent.method;
    this.url = sent.url.href;
    this.signal = signal;
    this.#sent = sent;
  }

  get headers(): Headers {
    return (this.#headers ??= new Headers(this.#sent.headers));
  }

  get bodyUsed(): boolean {
    return this.#used || this.#real?.bodyUsed === true;
  }

  get body(): ReadableStream<Uint8Array> | null {
    return this.#asReal().body as ReadableStream<Uint8Array> | null;
  }

  async text(): Promise<string> {
    const body = this.#take();
    if (body === undefined) return this.#asReal().text();
    return typeof body === "string" ? body : new TextDecoder().decode(body);
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  async bytes(): Promise<Uint8Array> {
    const body = this.#take();
    if (body === undefined) return new Uint8Array(await this.#asReal().arrayBuffer());
    return typeof body === "string" ? new TextEncoder().encode(body) : new Uint8Array(body);
  }

  async arrayBuffer(): Promise<ArrayBufferLike> {
    return (await this.bytes()).buffer;
  }

  async blob(): Promise<Blob> {
    return new Blob([await this.bytes()], {
      type: this.headers.get("content-type") ?? "",
    });
  }

  formData(): ReturnType<Request["formData"]> {
    return this.#asReal().formData();
  }

  clone(): Request {
    return this.#asReal().clone();
  }

  get cache(): RequestCache {
    return this.#asReal().cache;
  }

  get credentials(): RequestCredentials {
    return this.#asReal().credentials;
  }

  get destination(): string {
    return this.#asReal().destination;
  }

  get duplex(): string {
    return "half";
  }

  get integrity(): string {
    return this.#asReal().integrity;
  }

  get keepalive(): boolean {
    return this.#asReal().keepalive;
  }

  get mode(): string {
    return this.#asReal().mode;
  }

  get redirect(): string {
    return this.#asReal().redirect;
  }

  get referrer(): string {
    return this.#asReal().referrer;
  }

  /** The body if it is here and nobody has read it; undefined when a real request has it. */
  #take(): string | Uint8Array | undefined {
    const { body } = this.#sent;
    if (this.#real !== undefined || body instanceof ReadableStream) return undefined;
    if (this.#used) throw new TypeError("Body is unusable: Body has already been read");
    this.#used = body !== undefined;
    return body ?? "";
  }

  #asReal(): Request {
    if (this.#real === undefined) {
      const { body } = this.#sent;
      const init = {
        method: this.method,
        headers: this.headers,
        ...(body === undefined ? {} : { body, duplex: "half" }),
      };
      this.#real = new Request(this.url, init as RequestInit);
      if (this.#used) void this.#real.text();
    }
    return this.#real;
  }
}

type RequestCache = Request["cache"];
type RequestCredentials = Request["credentials"];

// Frameworks test `request instanceof Request`.
Object.setPrototypeOf(LightRequest.prototype, Request.prototype);
