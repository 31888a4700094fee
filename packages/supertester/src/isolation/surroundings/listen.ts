import { once } from "node:events";
import { createServer, type RequestListener, type Server as HttpServer } from "node:http";
import type { AddressInfo, Server, Socket } from "node:net";
import { IsolationError } from "../../context/errors.ts";
import type { ScopeContext } from "../../context/scope-context.ts";
import { startResource } from "../../lifecycle/resource.ts";

/** A server that listens on a port of its own until the test ends. */
export interface Listening<S extends Server = Server> {
  readonly server: S;
  readonly port: number;
  /** `http://127.0.0.1:port`, without a slash at the end. */
  readonly url: string;
}

/**
 * Listens on the loopback with a port that the system picks, so that nothing can take it in between, and closes the server
 * with all its connections when the test ends.
 */
export async function listen<S extends Server>(
  context: ScopeContext,
  target: S | RequestListener,
): Promise<Listening<S | HttpServer>> {
  const server = typeof target === "function" ? createServer(target) : target;
  if (typeof (server as Partial<Server> | undefined)?.listen !== "function") {
    throw new IsolationError(
      "invalid-argument",
      "scope.listen needs a node:http or node:net server that is not listening yet, or a request listener",
    );
  }
  // A server waits for its connections before it closes, and a client's keep-alive would hold them for seconds.
  const connections = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
  });
  return startResource(context, {
    name: "server",
    async start(signal) {
      server.listen(0, "127.0.0.1");
      await once(server, "listening", { signal });
      const { port } = server.address() as AddressInfo;
      return { server, port, url: `http://127.0.0.1:${port}` };
    },
    async stop() {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      for (const socket of connections) socket.destroy();
      await closed;
    },
  });
}
