import { liveContext, type ScopeContext } from "../../context/scope-context.ts";

/** The header that carries the id of the test that sent a request. Only put on requests to this machine. */
export const testIdHeader = "x-supertester-id";

/** A request as Node's and undici's diagnostics channels show it. */
interface ShownRequest {
  /** undici: name, value, name, value. Node's server: an object. */
  readonly headers?: readonly unknown[] | Readonly<Record<string, unknown>>;
  /** Node's client. */
  getHeader?(name: string): unknown;
}

/** The value of our header on a request in any of the shapes that diagnostics channels publish. */
export function testIdOfRequest(request: ShownRequest): string | undefined {
  const { headers } = request;
  let value: unknown;
  if (typeof request.getHeader === "function") value = request.getHeader(testIdHeader);
  else if (Array.isArray(headers)) {
    for (let at = 0; at + 1 < headers.length; at += 2) {
      if (String(headers[at]).toLowerCase() === testIdHeader) value = headers[at + 1];
    }
  } else if (headers !== undefined) value = (headers as Readonly<Record<string, unknown>>)[testIdHeader];
  return typeof value === "string" ? value : undefined;
}

/**
 * The scope that a channel's message names through its request's header. It goes before the async context: undici runs
 * the callbacks of a saturated pool in the context of whoever sent the first request.
 */
export function contextOfRequest(message: unknown): ScopeContext | undefined {
  const request = (message as { readonly request?: ShownRequest } | null)?.request;
  const key = request === undefined ? undefined : testIdOfRequest(request);
  return key === undefined ? undefined : liveContext(key);
}
