import { test } from "vitest";
import { ApiStatusError } from "../../src/errors.ts";
import { parseRetryAfter } from "../../src/transport/retry-after.ts";
import { backoffMs, retryDelayMs } from "../../src/transport/retry-policy.ts";

const status = (code: number, retryAfterMs?: number): ApiStatusError =>
  new ApiStatusError("POST /x", code, "", { retryAfterMs, retryable: true });

test("backoff doubles from half a second to ten, and jitter only shortens it, by a quarter at most", ({ expect }) => {
  expect([0, 1, 2, 3, 4, 5, 1e9].map((n) => backoffMs(n, 0))).toEqual([500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
  expect(backoffMs(0, 0.999_999)).toBeGreaterThan(374);
});

test("what the server asks for is obeyed, but zero is no invitation to spin", ({ expect }) => {
  expect(retryDelayMs(status(429, 7000), 5, 0)).toBe(7000);
  expect(retryDelayMs(status(503, 0), 0, 0)).toBe(100);
});

test("Retry-After is read in all its forms", ({ expect }) => {
  const read = (headers: Record<string, string>): number | undefined => parseRetryAfter(new Headers(headers));
  expect(read({ "retry-after-ms": "75" })).toBe(75);
  expect(read({ "retry-after": "7" })).toBe(7000);
  expect(read({ "retry-after": "Wed, 27 May 2026 20:00:09 GMT", date: "Wed, 27 May 2026 20:00:00 GMT" })).toBe(9000);
  expect(read({ "retry-after": "soon" })).toBeUndefined();
  expect(read({ "retry-after": "-1" })).toBeUndefined();
  expect(read({ "retry-after": "Wed, 27 May 2026 20:00:09 GMT" })).toBeUndefined();
  expect(read({ "retry-after": "999999999" })).toBe(600_000);
});
