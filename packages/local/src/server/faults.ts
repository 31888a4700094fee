import { reply } from "./replies.ts";
import type { Runtime } from "./runtime.ts";

/** What goes wrong. */
export type Fault =
  /** Answered without being handled, with this status and, if given, `Retry-After`. */
  | { readonly kind: "status"; readonly status: number; readonly retryAfterSeconds?: number; readonly body?: string }
  /** Handled `ms` milliseconds late. */
  | { readonly kind: "delay"; readonly ms: number }
  /** Never handled; the connection breaks. */
  | { readonly kind: "reset" }
  /** Handled in full; the connection breaks instead of the answer. */
  | { readonly kind: "lost-answer" }
  /** Handled twice, as when a proxy sends a request again; the second answer is the one given. */
  | { readonly kind: "duplicate" }
  /** The answer's body comes in `parts` (default 4) pieces, each `ms` milliseconds after the one before. */
  | { readonly kind: "slow-body"; readonly ms: number; readonly parts?: number }
  /** The connection breaks after half of the answer's body. */
  | { readonly kind: "truncated-body" };

/** A fault and the requests it meets. */
export type FaultRule = Fault & {
  /** The route below `/api/v1/`, e.g. `asample`; a `*` at the end stands for anything, alone for every route. */
  readonly route: string;
  /** How many requests it meets. Default 1. */
  readonly times?: number;
  /** How many matching requests pass before. Default 0. */
  readonly after?: number;
};

/** A fault that happened. */
export interface InjectedFault {
  readonly route: string;
  readonly kind: Fault["kind"];
}

/** The connection broke: over a socket it is destroyed, in-process `fetch` rejects as it does for a reset. */
export class ConnectionReset extends TypeError {
  override readonly name = "TypeError";

  constructor() {
    super("fetch failed", { cause: Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }) });
  }
}

const kinds: ReadonlySet<string> = new Set<Fault["kind"]>([
  "status",
  "delay",
  "reset",
  "lost-answer",
  "duplicate",
  "slow-body",
  "truncated-body",
]);

type Handler = (request: Request) => Promise<Response>;

/** Faults on demand, for tests of clients. The first rule that matches and has not been used up applies. */
export class Faults {
  readonly #runtime: Runtime;
  readonly #routes: ReadonlySet<string>;
  #rules: { readonly rule: FaultRule; passes: number; left: number }[] = [];
  #injected: InjectedFault[] = [];

  /** `routes` are the first segments of the routes that exist below `/api/v1/`. */
  constructor(runtime: Runtime, routes: ReadonlySet<string>) {
    this.#runtime = runtime;
    this.#routes = routes;
  }

  /** What happened, in order. */
  get injected(): readonly InjectedFault[] {
    return this.#injected;
  }

  /** Requests that rules will still meet. */
  get pending(): number {
    return this.#rules.reduce((sum, { left }) => sum + left, 0);
  }

  /** Adds a rule. Throws `RangeError` for a route that does not exist, or numbers that make no sense. */
  add(rule: FaultRule): void {
    const { route, times = 1, after = 0 } = rule;
    const fail = (message: string): never => {
      throw new RangeError(`fault rule: ${message}`);
    };
    if (!kinds.has(rule.kind)) fail(`kind ${JSON.stringify(rule.kind)} is none of ${[...kinds].join(", ")}`);
    const [first = ""] = route.split("/");
    if (route !== "*" && !this.#routes.has(first)) {
      fail(`route ${JSON.stringify(route)} does not begin with any of ${[...this.#routes].join(", ")}`);
    }
    if (!Number.isInteger(times) || times < 1) fail(`times must be a whole number of at least 1, got ${times}`);
    if (!Number.isInteger(after) || after < 0) fail(`after must be a whole number of at least 0, got ${after}`);
    if ("ms" in rule && !(rule.ms >= 0)) fail(`ms must be at least 0, got ${rule.ms}`);
    if (rule.kind === "status" && !(rule.status >= 400 && rule.status <= 599)) {
      fail(`status must be 400 to 599, got ${rule.status}`);
    }
    this.#rules.push({ rule, passes: after, left: times });
  }

  /** Takes back all rules, and forgets what happened. */
  clear(): void {
    this.#rules = [];
    this.#injected = [];
  }

  /** Passes a request to `handler`, through the fault that is due for it. */
  async handle(request: Request, handler: Handler): Promise<Response> {
    const route = new URL(request.url).pathname.replace(/^.*?\/api\/v1\//, "");
    const rule = this.#due(route);
    if (rule === undefined) return await handler(request);
    this.#injected.push({ route, kind: rule.kind });
    switch (rule.kind) {
      case "status": {
        const { status, retryAfterSeconds, body = JSON.stringify({ detail: `Injected status ${status}` }) } = rule;
        const headers = retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) };
        return reply(body, "application/json", status, { ...headers });
      }
      case "delay":
        await this.#runtime.sleep(rule.ms, request.signal);
        return await handler(request);
      case "reset":
        throw new ConnectionReset();
      case "lost-answer":
        await handler(request);
        throw new ConnectionReset();
      case "duplicate": {
        const again = request.clone();
        await handler(request);
        return await handler(again);
      }
      case "slow-body":
        return withBody(await handler(request), (bytes) =>
          this.#slowly(bytes, rule.ms, rule.parts ?? 4, request.signal),
        );
      case "truncated-body":
        return await cut(await handler(request));
    }
  }

  #due(route: string): FaultRule | undefined {
    for (const entry of this.#rules) {
      if (entry.left === 0 || !matches(entry.rule.route, route)) continue;
      if (entry.passes > 0) {
        entry.passes -= 1;
        continue;
      }
      entry.left -= 1;
      return entry.rule;
    }
    return undefined;
  }

  async *#slowly(bytes: Uint8Array, ms: number, parts: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const step = Math.max(1, Math.ceil(bytes.byteLength / parts));
    for (let at = 0; at < bytes.byteLength; at += step) {
      await this.#runtime.sleep(ms, signal);
      yield bytes.subarray(at, at + step);
    }
  }
}

const matches = (pattern: string, route: string): boolean =>
  pattern.endsWith("*") ? route.startsWith(pattern.slice(0, -1)) : route === pattern;

// The headers stay, Content-Length among them: that is how a client can tell that half is missing.
async function withBody(
  response: Response,
  change: (bytes: Uint8Array) => AsyncGenerator<Uint8Array>,
): Promise<Response> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  return new Response(ReadableStream.from(change(bytes)), { status: response.status, headers: response.headers });
}

const cutBodies = new WeakMap<Response, Uint8Array>();

/** What of the body is to be sent before the connection breaks; undefined for a response that is whole. */
export function cutBody(response: Response): Uint8Array | undefined {
  return cutBodies.get(response);
}

async function cut(response: Response): Promise<Response> {
  const bytes = new Uint8Array(await response.clone().arrayBuffer());
  const half = bytes.subarray(0, bytes.byteLength >> 1);
  const broken = await withBody(response, async function* () {
    yield half;
    throw new ConnectionReset();
  });
  cutBodies.set(broken, half);
  return broken;
}
