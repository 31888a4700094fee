/**
 * A `Response` whose body is already here. Making a real one, with its stream, costs more than the rest of a simulated
 * request; this one turns itself into a real one only when somebody asks for more than status, headers, text or JSON.
 */
export class LightResponse {
  readonly url: string;
  readonly status: number;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #body: string | Uint8Array | undefined;
  #headersObject: Headers | undefined;
  #real: Response | undefined;
  #used = false;

  constructor(
    url: string,
    status: number,
    headers: Readonly<Record<string, string>>,
    body: string | Uint8Array | undefined,
  ) {
    this.url = url;
    this.status = status;
    this.#headers = headers;
    this.#body = body;
  }

  get ok(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  get statusText(): string {
    return "";
  }

  get type(): string {
    return "basic";
  }

  get redirected(): boolean {
    return false;
  }

  get headers(): Headers {
    return (this.#headersObject ??= new Headers(this.#headers));
  }

  get bodyUsed(): boolean {
    return this.#used || this.#real?.bodyUsed === true;
  }

  get body(): ReadableStream<Uint8Array> | null {
    return this.#asReal().body as ReadableStream<Uint8Array> | null;
  }

  async text(): Promise<string> {
    if (this.#real !== undefined) return this.#real.text();
    const body = this.#take();
    return typeof body === "string" ? body : new TextDecoder().decode(body);
  }

  async json(): Promise<unknown> {
    return JSON.parse(await this.text());
  }

  async bytes(): Promise<Uint8Array> {
    if (this.#real !== undefined) return new Uint8Array(await this.#real.arrayBuffer());
    const body = this.#take();
    return typeof body === "string" ? new TextEncoder().encode(body) : new Uint8Array(body);
  }

  async arrayBuffer(): Promise<ArrayBufferLike> {
    return (await this.bytes()).buffer;
  }

  blob(): Promise<Blob> {
    return this.#asReal().blob();
  }

  formData(): ReturnType<Response["formData"]> {
    return this.#asReal().formData();
  }

  clone(): Response {
    const copy = new LightResponse(this.url, this.status, this.#headers, this.#body);
    if (this.#real === undefined && !this.#used) return copy as unknown as Response;
    return this.#asReal().clone();
  }

  #take(): string | Uint8Array {
    if (this.#used) throw new TypeError("Body is unusable: Body has already been read");
    this.#used = true;
    return this.#body ?? "";
  }

  #asReal(): Response {
    if (this.#real === undefined) {
      const hasNoBody = this.#body === undefined || this.status === 204 || this.status === 205 || this.status === 304;
      this.#real = new Response(hasNoBody ? null : (this.#body as ConstructorParameters<typeof Response>[0]), {
        status: this.status,
        headers: this.headers,
      });
      if (this.#used) void this.#real.text();
    }
    return this.#real;
  }
}

// Libraries test `response instanceof Response`.
Object.setPrototypeOf(LightResponse.prototype, Response.prototype);
