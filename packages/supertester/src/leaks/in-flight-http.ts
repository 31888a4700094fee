import type { ClientRequest, IncomingMessage } from "node:http";
import { subscribe } from "node:diagnostics_channel";
import { processSingleton } from "../context/process-singleton.ts";
import { activeContext, type Facet, type ScopeContext } from "../context/scope-context.ts";

/** HTTP requests a scope has sent and not yet read to the end, each as `METHOD origin/path`. */
export type InFlight = Map<object, string>;

const requestsInFlight: Facet<InFlight> = { name: "in-flight-http", create: () => new Map() };

/** The requests of `context` that are under way. */
export function inFlightOf(context: ScopeContext): InFlight {
  return context.get(requestsInFlight);
}

interface UndiciRequest {
  readonly method: string;
  readonly origin: string | URL;
  readonly path: string;
}

/**
 * Counts requests of `node:http` and of undici (so of `fetch`) from sending to the last byte of the answer. A socket alone
 * does not say whether an answer is awaited on it, so quiescence needs this.
 */
export function installInFlightHttp(): void {
  processSingleton("in-flight-http", () => {
    const owners = new WeakMap<object, InFlight>();
    const begin = (request: object, label: () => string) => {
      const context = activeContext();
      if (context === undefined || context.phase === "ended") return;
      const inFlight = inFlightOf(context);
      inFlight.set(request, label());
      owners.set(request, inFlight);
    };
    const end = (request: object) => void owners.get(request)?.delete(request);

    subscribe("undici:request:create", (message) => {
      const { request } = message as { request: UndiciRequest };
      begin(request, () => `${request.method} ${String(request.origin)}${request.path}`);
    });
    for (const name of ["undici:request:trailers", "undici:request:error"]) {
      subscribe(name, (message) => end((message as { request: object }).request));
    }
    subscribe("http.client.request.start", (message) => {
      const { request } = message as { request: ClientRequest };
      begin(request, () => `${request.method} ${request.protocol}//${request.host}${request.path}`);
    });
    subscribe("http.client.response.finish", (message) => {
      const { request, response } = message as { request: ClientRequest; response: IncomingMessage };
      response.once("close", () => end(request));
    });
    subscribe("http.client.request.error", (message) => end((message as { request: object }).request));
    return true;
  });
}
