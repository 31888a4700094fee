import { subscribe } from "node:diagnostics_channel";
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { currentTestId } from "../../context/adopt.ts";
import { processSingleton } from "../../context/process-singleton.ts";
import { activeContext, enterContext, liveContext, type ScopeContext } from "../../context/scope-context.ts";
import { testIdHeader, testIdOfRequest } from "./request-header.ts";

/** Whether a host is this machine; the id of a test is nobody else's business. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, "");
  return (
    name === "localhost" ||
    name.endsWith(".localhost") ||
    name === "::1" ||
    name === "0.0.0.0" ||
    /^127(?:\.\d+){3}$/.test(name)
  );
}

/** The id to send to `url`, if any. */
export function testIdFor(url: string | URL): string | undefined {
  const id = currentTestId();
  if (id === undefined) return undefined;
  return isLoopback(URL.parse(String(url))?.hostname ?? "") ? id : undefined;
}

function installFetch(): void {
  const inner = globalThis.fetch;
  globalThis.fetch = function fetch(input, init) {
    const id = testIdFor(input instanceof Request ? input.url : input);
    if (id === undefined) return inner(input, init);
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    if (!headers.has(testIdHeader)) headers.set(testIdHeader, id);
    return inner(input, { ...init, headers });
  };
}

function installClient(): void {
  subscribe("http.client.request.created", (message) => {
    const { request } = message as { request: ClientRequest };
    const id = currentTestId();
    if (id === undefined || request.headersSent || request.hasHeader(testIdHeader)) return;
    if (isLoopback(request.host.replace(/:\d+$/, ""))) request.setHeader(testIdHeader, id);
  });
}

function installServer(): void {
  /** Who the connection's callbacks belonged to before any request changed it. */
  const connections = new WeakMap<Socket, ScopeContext | undefined>();
  // Node publishes this in the callback that then runs the request handler: the owner that is entered here lasts for the
  // handler and what it starts. On Node 22 it even lasts for the connection, hence the reset for requests without an id.
  subscribe("http.server.request.start", (message) => {
    const { request, socket } = message as { request: IncomingMessage; socket: Socket };
    if (!connections.has(socket)) connections.set(socket, activeContext());
    const id = testIdOfRequest(request);
    enterContext(id === undefined ? connections.get(socket) : liveContext(id));
  });
}

/**
 * Makes HTTP carry the owner: `fetch` and `node:http` clients send the test's id to servers on this machine, and HTTP/1
 * servers in this process run a request's handler as part of the test that sent it, whoever started the server.
 */
export function installHttpPropagation(): void {
  processSingleton("http-propagation", () => {
    installFetch();
    installClient();
    installServer();
    return true;
  });
}
