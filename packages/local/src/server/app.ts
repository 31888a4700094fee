import { ClientConfigResponse, ProtocolError } from "@tinkex/protocol";
import { Hono } from "hono";
import type { Engine } from "../engine/engine.ts";
import { PendingBytes, SampleQueue } from "./admission.ts";
import { keyCheck } from "./authentication.ts";
import { Checkpoints } from "./checkpoints/checkpoints.ts";
import { MemoryCheckpointStore, type CheckpointStore } from "./checkpoints/checkpoint-store.ts";
import { Faults } from "./faults.ts";
import { FutureTable } from "./futures.ts";
import { HttpError } from "./http-error.ts";
import { resolveLimits, type ServerLimits } from "./limits.ts";
import { Models } from "./models.ts";
import { PauseGate, type PausedState } from "./pause-gate.ts";
import { errorReply } from "./replies.ts";
import { clientRoutes } from "./routes/client-routes.ts";
import { futureRoutes } from "./routes/future-routes.ts";
import { modelRoutes } from "./routes/model-routes.ts";
import { operationRoutes } from "./routes/operation-routes.ts";
import { runRoutes } from "./routes/run-routes.ts";
import { samplingRoutes } from "./routes/sampling-routes.ts";
import { sessionRoutes } from "./routes/session-routes.ts";
import { realRuntime, type Runtime } from "./runtime.ts";
import { Samplers } from "./samplers.ts";
import type { Dialect, ServerContext } from "./server-context.ts";
import { Sessions } from "./sessions.ts";

/** Options of {@link createTinkerApp}. */
export interface TinkerAppOptions {
  readonly engine: Engine;
  /** What clients must send as `X-API-Key`. The official SDKs want it to begin with `tml-`. */
  readonly apiKey: string;
  /** Default: the machine's clock. */
  readonly runtime?: Runtime;
  /** Where named checkpoints are kept. Default: in memory. */
  readonly checkpoints?: CheckpointStore;
  readonly limits?: Partial<ServerLimits>;
  /** Over what `client/config` answers; by default the protocol's defaults, but plain HTTP for the Python SDK. */
  readonly clientConfig?: Partial<ClientConfigResponse>;
  /** `skyrl` answers a poll that ran out with 408, and failed work with 400, as a SkyRL server does. Default `tinker`. */
  readonly dialect?: Dialect;
  /** How long `close` waits for running work, in milliseconds. Default 5000. */
  readonly closeGraceMs?: number;
}

/** What the server holds at the moment. */
export interface ServerStatus {
  readonly sessions: number;
  readonly samplers: number;
  readonly queuedSamples: number;
  readonly pendingBytes: number;
  readonly requests: number;
  readonly futures: FutureTable["size"];
}

/** A Tinker server without a socket. */
export interface TinkerApp extends AsyncDisposable {
  /** Answers one request. Rejects only for an injected fault that breaks the connection. */
  fetch(request: Request): Promise<Response>;
  readonly faults: Faults;
  readonly status: ServerStatus;
  /** From now on no queued work starts, and polls that run out say why. */
  pause(state: PausedState, reason?: string): void;
  resume(): void;
  /**
   * Stops taking work, fails what waits, lets what runs end (within `closeGraceMs`), and answers open polls. The engine
   * is the caller's to dispose. Calling it again waits for the same end.
   */
  close(): Promise<void>;
}

const closedMessage = "The server is stopping. Work that had not ended was given up; named checkpoints are kept.";

/** Builds the server. It runs no timer while nobody waits for anything. */
export function createTinkerApp(options: TinkerAppOptions): TinkerApp {
  const { engine, runtime = realRuntime, dialect = "tinker", closeGraceMs = 5000 } = options;
  const limits = resolveLimits(options.limits);
  const gate = new PauseGate();
  const checkpoints = new Checkpoints(options.checkpoints ?? new MemoryCheckpointStore(), runtime);
  const context: ServerContext = {
    engine,
    runtime,
    limits,
    dialect,
    gate,
    checkpoints,
    futures: new FutureTable(runtime, limits),
    sessions: new Sessions(runtime, limits.sessionExpiryMs),
    models: new Models(engine),
    samplers: new Samplers(engine, checkpoints),
    samples: new SampleQueue(gate, limits),
    pendingBytes: new PendingBytes(limits.pendingBytes),
  };
  const config = { ...ClientConfigResponse.decode({}), usePyqwestTransport: false, ...options.clientConfig };
  const app = routes(context, options.apiKey, config, () => closing !== undefined);
  const faults = new Faults(runtime, routeNames(app));
  const handle = async (request: Request): Promise<Response> => app.fetch(request);

  const open = new Set<Promise<Response>>();
  let closing: Promise<void> | undefined;

  async function fetch(request: Request): Promise<Response> {
    const answer = faults.handle(request, handle);
    open.add(answer);
    try {
      return await answer;
    } finally {
      open.delete(answer);
    }
  }

  async function close(): Promise<void> {
    const ended = Promise.allSettled([context.samples.close(closedMessage), context.models.close(closedMessage)]);
    await within(closeGraceMs, ended, runtime);
    context.futures.failPending(closedMessage);
    await within(closeGraceMs, Promise.allSettled(open), runtime);
    await within(closeGraceMs, context.samplers.close(), runtime);
  }

  return {
    fetch,
    faults,
    get status() {
      return {
        sessions: context.sessions.size,
        samplers: context.samplers.size,
        queuedSamples: context.samples.size,
        pendingBytes: context.pendingBytes.held,
        requests: open.size,
        futures: context.futures.size,
      };
    },
    pause: (state, reason) => gate.pause(state, reason),
    resume: () => gate.resume(),
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => (closing ??= close()),
  };
}

function routes(context: ServerContext, apiKey: string, config: ClientConfigResponse, isClosing: () => boolean): Hono {
  const app = new Hono();
  const checkKey = keyCheck(apiKey);
  app.use("/api/*", async ({ req }, next) => {
    // A health probe has no key, and an archive's link is its own.
    if (req.path !== "/api/v1/healthz" && !req.path.startsWith("/api/v1/archives/")) checkKey(req.raw);
    if (isClosing() && req.path !== "/api/v1/retrieve_future") throw new HttpError(503, closedMessage);
    expireSessions(context);
    await context.checkpoints.sweep();
    await next();
  });
  clientRoutes(app, context, config);
  sessionRoutes(app, context);
  modelRoutes(app, context);
  operationRoutes(app, context);
  samplingRoutes(app, context);
  futureRoutes(app, context);
  runRoutes(app, context);
  app.notFound(({ req }) => errorReply(new HttpError(404, `There is no ${req.method} ${req.path} on this server.`)));
  app.onError((error) => errorReply(ProtocolError.isInstance(error) ? new HttpError(400, error.message) : error));
  return app;
}

function expireSessions({ sessions, models, samplers }: ServerContext): void {
  for (const { id } of sessions.expire()) {
    samplers.endSession(id);
    for (const model of models.list()) {
      if (model.sessionId !== id || model.ended !== undefined) continue;
      const message = `Model ${model.id} was unloaded because its session ended: no heartbeat came. Load a checkpoint into a new model.`;
      void models.end(model, message).catch(() => {});
    }
  }
}

function routeNames(app: Hono): ReadonlySet<string> {
  return new Set(
    app.routes.map(({ path }) => /^\/api\/v1\/([^/:*]+)/.exec(path)?.[1] ?? "").filter((name) => name !== ""),
  );
}

/** Waits for `work`, but not for ever. */
async function within(ms: number, work: Promise<unknown>, runtime: Runtime): Promise<void> {
  const timer = new AbortController();
  const elapsed = runtime.sleep(ms, timer.signal).catch(() => {});
  await Promise.race([work, elapsed]);
  timer.abort();
}
