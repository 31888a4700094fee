import { LocalTinker, ScriptedEngine } from "@tinkex/local";
import type { LocalTinkerOptions } from "@tinkex/local";
import { ServiceClient } from "../../src/index.ts";
import type { ServiceClientOptions } from "../../src/index.ts";
import { VirtualRuntime } from "./virtual-runtime.ts";

/** The real server with an engine that computes nothing, in this process, on a virtual clock. */
export interface LocalServer extends AsyncDisposable {
  readonly tinker: LocalTinker;
  readonly engine: ScriptedEngine;
  /** A client of this server, by its own key. */
  client(options?: ServiceClientOptions): ServiceClient;
}

/** A runtime whose requests reach the server that the host of their URL names. */
export class Network extends VirtualRuntime {
  readonly #servers = new Map<string, LocalTinker>();

  constructor() {
    super((request) => {
      const server = this.#servers.get(new URL(request.url).host);
      if (!server) throw new TypeError(`Nobody listens at ${request.url}`);
      return server.fetch(request);
    });
  }

  async serve(host: string, options: LocalTinkerOptions = {}): Promise<LocalServer> {
    const engine = new ScriptedEngine();
    let draws = 0;
    const runtime = {
      now: () => this.now(),
      sleep: (ms: number, signal: AbortSignal) => this.sleep(ms, { signal, background: true }),
      // The server makes its ids unique by this: equal steps of the golden ratio never repeat.
      random: () => (++draws * 0.618_033_988_749_894_9) % 1,
    };
    const tinker = await LocalTinker.inProcess({ engine, runtime, apiKey: `tml-${host}`, ...options });
    this.#servers.set(host, tinker);
    return {
      tinker,
      engine,
      client: (more = {}) =>
        new ServiceClient({ apiKey: tinker.apiKey, baseUrl: `http://${host}`, env: {}, runtime: this, ...more }),
      [Symbol.asyncDispose]: () => tinker.close(),
    };
  }
}
