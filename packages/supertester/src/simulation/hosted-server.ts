import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import { answerRequest } from "./answer-request.ts";
import type { HttpApplication, HttpHandler } from "./http-types.ts";

/** A mounted host as an HTTP server on sockets, for clients that do not use `fetch`: `node:http`, got, axios, undici. */
export function hostedServer(target: HttpHandler | HttpApplication): Server {
  return createServer((request, response) => {
    answer(target, request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(`${String(error)}\n`);
    });
  });
}

async function answer(
  target: HttpHandler | HttpApplication,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => {
    if (!response.writableFinished) gone.abort();
  });
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers))
    headers[name] = Array.isArray(value) ? value.join(", ") : (value ?? "");
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const body = chunks.length === 0 ? undefined : Buffer.concat(chunks);
  const url = new URL(request.url ?? "/", `http://${headers["host"] ?? "localhost"}`);
  const { method = "GET" } = request;
  const result = await answerRequest(target, { method, url, headers, body }, gone.signal);
  if (result instanceof Response) {
    response.writeHead(result.status, Object.fromEntries(result.headers));
    if (result.body === null) response.end();
    else Readable.fromWeb(result.body as NodeReadableStream<Uint8Array>).pipe(response);
    return;
  }
  const content = result.json === undefined ? result.body : JSON.stringify(result.json);
  const type = result.json === undefined ? {} : { "content-type": "application/json" };
  response.writeHead(result.status ?? 200, { ...type, ...result.headers });
  response.end(content);
}
