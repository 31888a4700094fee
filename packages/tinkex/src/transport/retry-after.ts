/** Longest wait that a server can impose with one answer. Past it something is wrong with its clock, or ours. */
const maximumMs = 10 * 60_000;

/**
 * What `retry-after-ms` or `retry-after` asks for, in milliseconds from now; `undefined` if neither says anything usable.
 * A date is read against the answer's own `Date`, so that no local clock is needed and a wrong one does no harm.
 */
export function parseRetryAfter(headers: Headers): number | undefined {
  const ms = nonNegative(headers.get("retry-after-ms"));
  if (ms !== undefined) return Math.min(ms, maximumMs);

  const value = headers.get("retry-after");
  const seconds = nonNegative(value);
  if (seconds !== undefined) return Math.min(seconds * 1000, maximumMs);

  const until = Date.parse(value ?? "");
  const sent = Date.parse(headers.get("date") ?? "");
  const difference = until - sent;
  return Number.isFinite(difference) ? Math.min(Math.max(0, difference), maximumMs) : undefined;
}

function nonNegative(text: string | null): number | undefined {
  if (text === null || text.trim() === "") return undefined;
  const value = Number(text);
  return Number.isFinite(value) && value >= 0 ? value : undefined;
}
