import { ApiStatusError, ConnectionError, RequestTimeoutError } from "../errors.ts";

/** First and longest pause of the one backoff formula that submissions and polling share. */
const baseMs = 500;
const capMs = 10_000;
/** How long to leave an account alone that has run out of credit (the official client pauses as long). */
const billingPauseMs = 5_000;
/** `Retry-After: 0` is an answer too, but not an invitation to spin. */
const shortestPauseMs = 100;

/**
 * `min(500 * 2^n, 10000)` milliseconds, less a random part of up to a quarter, so that clients which failed together do
 * not come back together.
 *
 * @param failures failures of this kind so far, from 0
 * @param random uniform in [0, 1)
 */
export function backoffMs(failures: number, random: number): number {
  // 2^30 is far past the cap; beyond 2^1023 the product would be infinite.
  return Math.min(baseMs * 2 ** Math.min(failures, 30), capMs) * (1 - 0.25 * random);
}

/** Milliseconds to wait before the same request may be sent again; `undefined` if it must not be. */
export function retryDelayMs(failure: unknown, failures: number, random: number): number | undefined {
  if (failure instanceof ApiStatusError) {
    if (!failure.retryable) return undefined;
    if (failure.retryAfterMs !== undefined) return Math.max(failure.retryAfterMs, shortestPauseMs);
    return failure.status === 402 ? billingPauseMs : backoffMs(failures, random);
  }
  if (failure instanceof ConnectionError || failure instanceof RequestTimeoutError) return backoffMs(failures, random);
  return undefined;
}
