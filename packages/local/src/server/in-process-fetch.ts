import type { TinkerApp } from "./app.ts";

/** `fetch`, for one server; only the path of the URL is looked at. */
export type InProcessFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Asks the server without a socket. As with the global `fetch`, an abort rejects at once with the signal's reason. */
export async function inProcessFetch(app: TinkerApp, ...[input, init]: Parameters<InProcessFetch>): Promise<Response> {
  const request = new Request(input, init);
  const { signal } = request;
  signal.throwIfAborted();
  let abort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    return await Promise.race([app.fetch(request), aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
