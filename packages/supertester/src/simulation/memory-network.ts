import { AsyncResource } from "node:async_hooks";
import type { Server } from "node:net";
import type { Duplex } from "node:stream";
import type { Endpoint } from "../world/net-shims.ts";
import { runInWorld, type Network } from "../world/world.ts";
import { SimulationError } from "./failure.ts";
import type { Kernel } from "./kernel.ts";
import { Lane } from "./lane.ts";
import { connectionError, MemorySocket, type Address, type Wire } from "./memory-socket.ts";
import type { Latency } from "./options.ts";

interface Listener {
  readonly server: Server;
  readonly context: AsyncResource;
}

/** What of a `net.Server` its own code relies on, beyond the public members. */
interface ServerInternals {
  _handle: unknown;
  _connections: number;
  _emitCloseIfDrained(): void;
}

const loopback = new Set(["localhost", "127.0.0.1", "::1", "0.0.0.0", "::"]);

let lastId = 0;

/** The sockets of one simulation: servers listen on ports that exist only in it. TCP only; no TLS and no HTTP/2. */
export class MemoryNetwork implements Network {
  readonly id: number = ++lastId;
  readonly #kernel: Kernel;
  readonly #latency: Latency;
  /** Serves hosts that are mounted as applications; undefined for any other name. */
  readonly #hosted: (authority: string) => Server | undefined;
  readonly #listeners = new Map<string, Listener>();
  readonly #lanes = new Map<string, Lane>();
  readonly #sockets = new Set<MemorySocket>();
  #nextPort = 49_152;

  constructor(kernel: Kernel, latency: Latency, hosted: (authority: string) => Server | undefined) {
    this.#kernel = kernel;
    this.#latency = [latency[0] / 2, latency[1] / 2];
    this.#hosted = hosted;
    // Process-wide pools would hand a dead simulation's sockets to the next one.
    kernel.atEnd(() => {
      for (const socket of this.#sockets) socket.destroy();
      for (const { server } of this.#listeners.values()) server.close();
    });
  }

  listen(server: Server, endpoint: Endpoint): void {
    const port = endpoint.port === 0 ? this.#nextPort++ : endpoint.port;
    const key = endpoint.path ?? String(port);
    if (endpoint.callback !== undefined) server.once("listening", endpoint.callback);
    if (this.#listeners.has(key)) {
      const error = connectionError("EADDRINUSE", `listen EADDRINUSE: address already in use ${key}`);
      process.nextTick(() => server.emit("error", error));
      return;
    }
    this.#listeners.set(key, { server, context: contextOf(this.#kernel.lane) });
    const address = { address: "127.0.0.1", port, family: "IPv4" };
    const internals = server as unknown as ServerInternals;
    internals._handle = {
      getsockname: (out: object) => (Object.assign(out, address), 0),
      close: () => this.#listeners.delete(key),
      ref: () => {},
      unref: () => {},
    };
    process.nextTick(() => server.emit("listening"));
  }

  connect(endpoint: Endpoint): Duplex {
    const name = endpoint.path ?? `${endpoint.host}:${endpoint.port}`;
    const { lane } = this.#kernel;
    const serverLane = this.#serverLane(name, lane);
    const wire: Wire = { kernel: this.#kernel, lane, serverLane, latency: this.#latency, name };
    const local: Address = { address: "127.0.0.1", port: this.#nextPort++, family: "IPv4" };
    const remote: Address = { address: "127.0.0.1", port: endpoint.port, family: "IPv4" };
    const client = this.#own(new MemorySocket(wire, "client", local, remote, contextOf(lane)));
    if (endpoint.callback !== undefined) client.once("connect", endpoint.callback);
    this.#kernel.schedule("io", `${name} connect`, this.#latency, () => {
      if (client.destroyed) return;
      const listener = this.#listenerFor(endpoint);
      if (listener === undefined) this.#refuse(client, endpoint, name);
      else this.#accept(client, listener, wire, remote, local);
    });
    return client;
  }

  #accept(client: MemorySocket, { server, context }: Listener, wire: Wire, local: Address, remote: Address): void {
    const { serverLane } = wire;
    context.runInAsyncScope(() =>
      runInWorld(serverLane, () => {
        const socket = this.#own(new MemorySocket(wire, "server", local, remote, contextOf(serverLane)));
        const internals = server as unknown as ServerInternals;
        internals._connections++;
        socket.once("close", () => {
          internals._connections--;
          internals._emitCloseIfDrained();
        });
        Object.assign(socket, { server });
        server.emit("connection", socket);
        client.connectTo(socket);
      }),
    );
  }

  #refuse(client: MemorySocket, { host, port, path }: Endpoint, name: string): void {
    if (path === undefined && !loopback.has(host)) {
      const message = `escape: a connection to ${name} would leave the simulation; nothing listens there in it`;
      this.#kernel.fail("escape", new SimulationError("escape", message));
    }
    client.destroy(connectionError("ECONNREFUSED", `connect ECONNREFUSED ${path ?? `127.0.0.1:${port}`}`));
  }

  #listenerFor({ host, port, path }: Endpoint): Listener | undefined {
    const listener = loopback.has(host) || path !== undefined ? this.#listeners.get(path ?? String(port)) : undefined;
    if (listener !== undefined || path !== undefined) return listener;
    const server = this.#hosted(port === 80 ? host : `${host}:${port}`);
    return server === undefined ? undefined : { server, context: contextOf(this.#kernel.main) };
  }

  /** One per client, so that a server's events have the same names whichever client comes first. */
  #serverLane(name: string, client: Lane): Lane {
    const key = `${name} for ${client.name}`;
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      lane = new Lane(this.#kernel, key, true);
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #own(socket: MemorySocket): MemorySocket {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    return socket;
  }
}

function contextOf(lane: Lane): AsyncResource {
  return runInWorld(lane, () => new AsyncResource("supertester.socket", { requireManualDestroy: true }));
}
