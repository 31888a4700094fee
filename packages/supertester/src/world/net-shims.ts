import http from "node:http";
import net from "node:net";
import { patch } from "./patch.ts";
import { currentWorld, type Network } from "./world.ts";

/** What `net.connect` and `server.listen` were asked for, in whichever of their forms. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** A Unix socket or pipe, instead of host and port. */
  readonly path: string | undefined;
  readonly callback: (() => void) | undefined;
}

/** `net.connect`, `net.createConnection`, `http.Agent`'s connections and `Server.listen`. `new Socket().connect()` stays real. */
export function patchNet(): void {
  type Connect = (...args: unknown[]) => unknown;
  const network = (): Network | undefined => currentWorld()?.network;
  const connecting =
    (original: Connect): Connect =>
    (...args) =>
      network()?.connect(endpointOf(args)) ?? original(...args);
  const holder = net as unknown as Record<"connect" | "createConnection", Connect>;
  patch(holder, "connect", connecting);
  patch(holder, "createConnection", connecting);
  const agent = http.Agent.prototype as unknown as Record<"createConnection" | "getName", Connect>;
  // The key under which an agent pools connections: the global one must not hand a simulation's to another.
  patch(
    agent,
    "getName",
    (original) =>
      function getName(this: unknown, ...args: unknown[]) {
        const id = network()?.id;
        const name = String(original.apply(this, args));
        return id === undefined ? name : `${name}:simulation-${id}`;
      },
  );
  patch(
    agent,
    "createConnection",
    (original) =>
      function createConnection(this: unknown, ...args: unknown[]) {
        return network()?.connect(endpointOf(args)) ?? original.apply(this, args);
      },
  );
  patch(net.Server.prototype as unknown as Record<"listen", Connect>, "listen", (original) => {
    return function listen(this: net.Server, ...args: unknown[]) {
      const current = network();
      if (current === undefined) return original.apply(this, args);
      current.listen(this, endpointOf(args));
      return this;
    };
  });
}

/** Understands `(options, callback?)`, `(port, host?, ..., callback?)` and `(path, callback?)`. */
function endpointOf(args: readonly unknown[]): Endpoint {
  const [first, second] = args;
  const last = args.findLast((value) => typeof value === "function");
  const callback = last as (() => void) | undefined;
  if (typeof first === "object" && first !== null) {
    const { host, hostname, port, path, socketPath } = first as Record<string, unknown>;
    const pipe = socketPath ?? (port === undefined ? path : undefined);
    return {
      host: text(host ?? hostname),
      port: Number(port ?? 0),
      path: pipe === undefined || pipe === null ? undefined : text(pipe),
      callback,
    };
  }
  const isPath = typeof first === "string" && !/^\d+$/.test(first);
  return {
    host: text(typeof second === "string" ? second : undefined),
    port: isPath ? 0 : Number(first ?? 0),
    path: isPath ? first : undefined,
    callback,
  };
}

function text(value: unknown): string {
  return typeof value === "string" && value !== "" ? value : "localhost";
}
