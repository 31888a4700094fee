import type { HttpApplication, HttpHandler, OutgoingRequest, SimRequest, SimResponse } from "./http-types.ts";
import { LightRequest } from "./light-request.ts";

/** Has a mounted server answer. */
export async function answerRequest(
  target: HttpHandler | HttpApplication,
  request: OutgoingRequest,
  signal: AbortSignal,
): Promise<SimResponse | Response> {
  return typeof target === "function"
    ? target(await simRequest(request, signal))
    : target.fetch(new LightRequest(request, signal) as unknown as Request);
}

async function simRequest({ method, url, headers, body }: OutgoingRequest, signal: AbortSignal): Promise<SimRequest> {
  const text =
    typeof body === "string" || body === undefined ? (body ?? "") : await new Response(body as ResponseBody).text();
  return { method, url, path: url.pathname, headers, body: text, signal, json: () => JSON.parse(text) as unknown };
}

type ResponseBody = ConstructorParameters<typeof Response>[0];
