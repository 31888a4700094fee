import { installWorldShims } from "../../packages/supertester/src/world/install.ts";
import { runInWorld, type Clock } from "../../packages/supertester/src/world/world.ts";
import type { HttpApplication, HttpHandler, Latency, Sim, SimBody, SimRequest } from "supertester";

/** What a program of the corpus runs in when it is not simulated. */
export interface Surroundings {
  readonly clock: Clock & { readonly time: number };
  /** Resolves when a piece of I/O with that latency is done. */
  after(label: string, latency: Latency): Promise<void>;
}

const anyLatency: Latency = [1, 200];

/** The part of `Sim` that the corpus uses, for surroundings that are not ours. */
class OutsideSim {
  readonly #surroundings: Surroundings;
  readonly #hosts = new Map<string, { server: HttpHandler | HttpApplication; latency: Latency }>();
  readonly #invariants: (() => void)[] = [];

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  get now(): number {
    return this.#surroundings.clock.time;
  }

  async spawn<T>(name: string, fn: () => Promise<T> | T): Promise<T> {
    await this.#after(`start ${name}`, [0, anyLatency[1]]);
    return fn();
  }

  async io<T>(label: string, fn?: () => T | Promise<T>, options: { latency?: Latency } = {}): Promise<T> {
    await this.#after(label, options.latency ?? anyLatency);
    const result = fn?.() as T;
    this.check();
    return result;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      setTimeout(resolve, ms);
    });
  }

  http(
    host: string,
    server: HttpHandler | HttpApplication,
    { latency = anyLatency }: { latency?: Latency } = {},
  ): void {
    this.#hosts.set(host, { server, latency: [latency[0] / 2, latency[1] / 2] });
  }

  always(name: string, invariant: () => boolean | void): void {
    this.#invariants.push(() => {
      if (invariant() === false) throw new Error(`always "${name}" does not hold`);
    });
  }

  check(): void {
    for (const invariant of this.#invariants) invariant();
  }

  readonly fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const request = new Request(input, init);
    const url = new URL(request.url);
    const host = this.#hosts.get(url.host);
    if (host === undefined) throw new TypeError("fetch failed");
    const { server, latency } = host;
    const gone = new Promise<never>((_, reject) => {
      request.signal.addEventListener("abort", () => reject(request.signal.reason as Error));
    });
    const answer = async (): Promise<Response> => {
      await this.#after(`${request.method} ${url.pathname} =>`, latency);
      const response = await serve(server, request, url);
      await this.#after(`${request.method} ${url.pathname} <=`, latency);
      return response;
    };
    return Promise.race([answer(), gone]);
  };

  async #after(label: string, latency: Latency): Promise<void> {
    await this.#surroundings.after(label, latency);
    this.check();
  }
}

async function serve(server: HttpHandler | HttpApplication, request: Request, url: URL): Promise<Response> {
  if (typeof server !== "function") return server.fetch(new Request(url, { headers: request.headers }));
  const body = await request.text();
  const seen: SimRequest = {
    method: request.method,
    url,
    path: url.pathname,
    headers: Object.fromEntries(request.headers),
    body,
    signal: request.signal,
    json: () => JSON.parse(body) as unknown,
  };
  const response = await server(seen);
  if (response instanceof Response) return response;
  const { status = 200, headers = {}, json } = response;
  const text = json === undefined ? response.body : JSON.stringify(json);
  return new Response(status === 204 ? null : (text as string | undefined), { status, headers });
}

/** A run of a corpus program outside the simulation: the globals that it uses are routed to the surroundings. */
export interface OutsideRun {
  /** Resolves when the program has ended well; rejects with the first thing that went wrong. Pending in a deadlock. */
  readonly ended: Promise<void>;
  readonly isOver: () => boolean;
}

/** `surround` is given what to call when a timer's callback throws. */
export function runOutside(body: SimBody, surround: (fail: (error: unknown) => void) => Surroundings): OutsideRun {
  installWorldShims();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let isOver = false;
  const finish = (settle: () => void) => {
    isOver = true;
    settle();
  };
  const fail = (error: unknown) => finish(() => reject(error));
  const surroundings = surround(fail);
  const sim = new OutsideSim(surroundings);
  const world = {
    clock: surroundings.clock,
    fetch: sim.fetch,
    onCallbackError: fail,
    onUnhandledRejection: fail,
  };
  void runInWorld(world, async () => {
    try {
      await body(sim as unknown as Sim);
      sim.check();
      finish(resolve);
    } catch (error) {
      fail(error);
    }
  });
  return { ended: promise, isOver: () => isOver };
}
