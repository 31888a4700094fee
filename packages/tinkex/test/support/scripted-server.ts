import type { VirtualRuntime } from "./virtual-runtime.ts";

/** A request as the server saw it. */
export interface SeenRequest {
  readonly path: string;
  /** Parsed JSON; undefined for protobuf. */
  readonly body: Record<string, unknown> | undefined;
  readonly bytes: Uint8Array;
  readonly headers: Headers;
  /** Virtual milliseconds since the first request. */
  readonly at: number;
}

export type Answer = Response | Error | Promise<Response | Error>;
export type Handler = (request: SeenRequest, count: number) => Answer;

/**
 * An in-process server that answers each route from a script and logs what arrives. Strict: a route without a script
 * fails the request, so that surplus traffic cannot go unseen.
 */
export class ScriptedServer {
  readonly log: SeenRequest[] = [];
  readonly #routes = new Map<string, Handler>();
  #firstAt: number | undefined;

  /** Answers a path. `count` is how many requests for it came before. */
  on(path: string, handler: Handler): this {
    this.#routes.set(path, handler);
    return this;
  }

  /** Answers that a session needs before anything else, and heartbeats. */
  withSession(): this {
    return this.on("/api/v1/client/config", () => json({}))
      .on("/api/v1/create_session", () => json({ session_id: "session" }))
      .on("/api/v1/session_heartbeat", () => json({}));
  }

  /** As `withSession`, and a model `session:train:0` to train. */
  withModel(): this {
    return this.withSession()
      .on("/api/v1/create_model", () => json({ request_id: "create" }))
      .on("/api/v1/retrieve_future", ({ body }) =>
        body?.["request_id"] === "create" ? json({ model_id: "session:train:0" }) : json({ metrics: {} }),
      );
  }

  /** Requests for a path, or for all. */
  requests(path?: string): readonly SeenRequest[] {
    return path === undefined ? this.log : this.log.filter((request) => request.path === path);
  }

  readonly fetch = async (request: Request, runtime: VirtualRuntime): Promise<Response> => {
    const path = new URL(request.url).pathname;
    const bytes = new Uint8Array(await request.arrayBuffer());
    this.#firstAt ??= runtime.now();
    const isJson = request.headers.get("content-type")?.includes("json") ?? false;
    const body = isJson ? (JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>) : undefined;
    const seen: SeenRequest = { path, body, bytes, headers: request.headers, at: runtime.now() - this.#firstAt };
    const count = this.requests(path).length;
    this.log.push(seen);
    const handler = this.#routes.get(path);
    if (!handler) throw new Error(`No script for ${path}`);
    const answer = await handler(seen, count);
    if (answer instanceof Error) throw answer;
    return answer;
  };
}

export function json(value: unknown, init: ResponseInit = {}): Response {
  return Response.json(value, init);
}

/** An error answer, as the service words it. */
export function failure(status: number, headers: Record<string, string> = {}): Response {
  return json({ detail: `scripted ${status}` }, { status, headers });
}

/** Answers in order; a request past the end fails. */
export function sequence(...answers: readonly (() => Answer)[]): Handler {
  return (request, count) => {
    const answer = answers[count];
    if (!answer) throw new Error(`The script for ${request.path} has ${answers.length} answers; this is one more`);
    return answer();
  };
}

/** The last answer goes on for ever. */
export function sequenceThenRepeat(...answers: readonly (() => Answer)[]): Handler {
  return (_request, count) => {
    const answer = answers[Math.min(count, answers.length - 1)];
    if (!answer) throw new Error("An empty script");
    return answer();
  };
}
