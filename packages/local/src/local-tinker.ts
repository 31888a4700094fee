import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getRequestListener, type HttpBindings } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { defaultEngine } from "./default-engine.ts";
import type { Engine } from "./engine/engine.ts";
import { createTinkerApp, type ServerStatus, type TinkerApp, type TinkerAppOptions } from "./server/app.ts";
import { MemoryCheckpointStore } from "./server/checkpoints/checkpoint-store.ts";
import { DiskCheckpointStore } from "./server/checkpoints/disk-checkpoint-store.ts";
import { cutBody, type Faults } from "./server/faults.ts";
import { inProcessFetch, type InProcessFetch } from "./server/in-process-fetch.ts";
import type { PausedState } from "./server/pause-gate.ts";

/** Options of {@link LocalTinker.start} and {@link LocalTinker.inProcess}. */
export interface LocalTinkerOptions extends Partial<Omit<TinkerAppOptions, "checkpoints">> {
  /**
   * What computes. It is disposed with the server. Default: the real one, on a small model that needs no download.
   */
  readonly engine?: Engine;
  /** The key that clients must send. Default: a random one, beginning with `tml-` as the official SDKs want it. */
  readonly apiKey?: string;
  /**
   * Where named checkpoints are kept, so that a later server finds them; one server at a time may use it. Default:
   * gone with the server (kept in a temporary folder until then, or by `inProcess` in memory).
   */
  readonly folder?: string;
}

/** Options of {@link LocalTinker.start}. */
export interface ListenOptions {
  /** Default 0: any free port. */
  readonly port?: number;
}

/** A Tinker on this machine: in this process, with or without a socket, and gone when it is closed. */
export class LocalTinker implements AsyncDisposable {
  /** The base URL for clients. */
  readonly url: string;
  /** The key for clients. */
  readonly apiKey: string;
  readonly #app: TinkerApp;
  readonly #undo: Undo;
  #closing: Promise<void> | undefined;

  private constructor(url: string, apiKey: string, app: TinkerApp, undo: Undo) {
    this.url = url;
    this.apiKey = apiKey;
    this.#app = app;
    this.#undo = undo;
  }

  /** Starts a server that listens on 127.0.0.1 and nowhere else. */
  static async start(options: LocalTinkerOptions & ListenOptions = {}): Promise<LocalTinker> {
    return await built(async (undo) => {
      const folder = options.folder ?? (await temporaryFolder(undo));
      const { apiKey, app } = await prepare({ ...options, folder }, undo);
      // Longer than clients keep idle connections, so that they never send on one that is just being closed.
      const server = createServer({ keepAliveTimeout: 75_000 }, listener(app));
      const port = await listen(server, options.port ?? 0);
      undo.push(
        () => stop(server),
        () => app.close(),
      );
      return new LocalTinker(`http://127.0.0.1:${port}`, apiKey, app, undo);
    });
  }

  /** Builds a server that is reached by `fetch` alone, without a socket. */
  static async inProcess(options: LocalTinkerOptions = {}): Promise<LocalTinker> {
    return await built(async (undo) => {
      const { apiKey, app } = await prepare(options, undo);
      undo.push(() => app.close());
      return new LocalTinker("http://tinker.localhost", apiKey, app, undo);
    });
  }

  /** Asks the server directly, with the arguments and the rejections of the global `fetch`. */
  readonly fetch: InProcessFetch = (input, init) => inProcessFetch(this.#app, input, init);

  /** Faults on demand, for tests of clients. */
  get faults(): Faults {
    return this.#app.faults;
  }

  /** What the server holds at the moment. */
  get status(): ServerStatus {
    return this.#app.status;
  }

  /** From now on no queued work starts, and polls that run out say why. */
  pause(state: PausedState, reason?: string): void {
    this.#app.pause(state, reason);
  }

  /** Lets queued work start again. */
  resume(): void {
    this.#app.resume();
  }

  /** Ends or fails what is going on, closes the sockets and disposes the engine. Calling it again waits for the same end. */
  close(): Promise<void> {
    return (this.#closing ??= undoAll(this.#undo));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** What is to be taken down, the last thing first. */
type Undo = (() => PromiseLike<void>)[];

async function undoAll(undo: Undo): Promise<void> {
  for (const step of undo.toReversed()) await step();
}

/** Takes down what was put up already when building fails half-way. */
async function built<T>(build: (undo: Undo) => Promise<T>): Promise<T> {
  const undo: Undo = [];
  try {
    return await build(undo);
  } catch (error) {
    await undoAll(undo);
    throw error;
  }
}

async function temporaryFolder(undo: Undo): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tinkex-"));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function prepare(
  options: LocalTinkerOptions,
  undo: Undo,
): Promise<{ readonly apiKey: string; readonly app: TinkerApp }> {
  const { folder, apiKey = `tml-local-${randomBytes(18).toString("base64url")}` } = options;
  if (apiKey === "") throw new RangeError("apiKey must not be empty");
  const checkpoints = folder === undefined ? new MemoryCheckpointStore() : await DiskCheckpointStore.open(folder);
  const engine = options.engine ?? (await defaultEngine());
  undo.push(() => engine[Symbol.asyncDispose]());
  return { apiKey, app: createTinkerApp({ ...options, engine, apiKey, checkpoints }) };
}

/** Serves the app; a broken connection that was asked for is made by destroying the socket. */
function listener(app: TinkerApp): RequestListener {
  const answer = async (request: Request, { incoming, outgoing }: HttpBindings): Promise<Response> => {
    const { socket } = incoming;
    try {
      const response = await app.fetch(request);
      const half = cutBody(response);
      if (half === undefined) return response;
      outgoing.writeHead(response.status, Object.fromEntries(response.headers));
      outgoing.write(half, () => socket.destroy());
    } catch {
      socket.destroy();
    }
    return RESPONSE_ALREADY_SENT;
  };
  const serve = getRequestListener((request, bindings) => answer(request, bindings as HttpBindings), {
    overrideGlobalObjects: false,
  });
  return (incoming, outgoing) => void serve(incoming, outgoing);
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host: "127.0.0.1" }, () => {
      server.off("error", reject);
      const address = server.address();
      if (address === null || typeof address === "string") reject(new Error("the server has no port"));
      else resolve(address.port);
    });
  });
}

/** The application has answered everything by now, so what is left are idle connections and abandoned ones. */
function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    server.closeAllConnections();
  });
}
