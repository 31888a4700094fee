import { HttpError } from "./http-error.ts";

/**
 * Every reply has a Content-Length: the Python SDK takes a 400 without one for a proxy's, and retries it for minutes.
 */
export function reply(
  body: string | Uint8Array,
  contentType: string,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  return new Response(bytes as Uint8Array<ArrayBuffer>, {
    status,
    headers: { "content-type": contentType, "content-length": String(bytes.byteLength), ...headers },
  });
}

/** Text that is JSON already. */
export const jsonReply = (text: string, status = 200): Response => reply(text, "application/json", status);

/** A reply without a body, for routes whose clients look at the status only. */
export const emptyReply = (): Response => jsonReply("{}");

/** `{"detail": ...}` with the error's status; a server's fault shows its message, since user and operator are one here. */
export function errorReply(error: unknown): Response {
  const known = error instanceof HttpError ? error : new HttpError(500, describe(error));
  return reply(
    JSON.stringify({ detail: known.message }),
    "application/json",
    known.status,
    known.retryAfter === undefined ? {} : { "retry-after": String(known.retryAfter) },
  );
}

const describe = (error: unknown): string =>
  `Internal error: ${error instanceof Error ? error.message : String(error)}`;
