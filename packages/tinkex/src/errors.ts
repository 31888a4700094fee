/** What went wrong, for callers that branch without `instanceof`. */
export type TinkerErrorCode =
  | "configuration"
  | "invalid_request"
  | "connection"
  | "timeout"
  | "deadline"
  | "status"
  | "request_failed"
  | "invalid_response"
  | "closed";

const marker = Symbol.for("tinkex.error");

/** Facts shared by all errors of the SDK. */
export interface TinkerErrorOptions {
  readonly cause?: unknown;
  /** Whether the same call may succeed if made again. Default false. */
  readonly retryable?: boolean;
}

/**
 * Root of every error that the SDK itself raises. Aborts are the exception: an aborted call rejects with the signal's
 * reason. No message, field or stack ever holds a credential.
 */
export abstract class TinkerError extends Error {
  abstract readonly code: TinkerErrorCode;
  /** Whether the same call may succeed if made again. */
  readonly retryable: boolean;

  constructor(message: string, options: TinkerErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    Object.defineProperty(this, marker, { value: true });
    this.retryable = options.retryable ?? false;
  }

  /** Recognises errors of any copy of this package in the process. */
  static isInstance(error: unknown): error is TinkerError {
    return typeof error === "object" && error !== null && marker in error;
  }
}

/** An option or environment variable is missing or malformed. The message names it and says what is expected. */
export class ConfigurationError extends TinkerError {
  readonly code = "configuration";
}

/** What was passed cannot be sent: wrong shapes, a token that is no integer, NaN where a number must be. */
export class InvalidRequestError extends TinkerError {
  readonly code = "invalid_request";
}

/** No usable answer: refused, reset, DNS, a body that broke off. Whether the server acted on the request is unknown. */
export class ConnectionError extends TinkerError {
  readonly code = "connection";
  constructor(message: string, options: Omit<TinkerErrorOptions, "retryable"> = {}) {
    super(message, { ...options, retryable: true });
  }
}

/** One HTTP exchange took longer than its limit. */
export class RequestTimeoutError extends TinkerError {
  readonly code = "timeout";
  readonly timeoutMs: number;
  constructor(what: string, timeoutMs: number) {
    super(`${what} got no answer within ${timeoutMs} ms`, { retryable: true });
    this.timeoutMs = timeoutMs;
  }
}

/** The operation as a whole passed its deadline. `cause` is the last failure that was being retried, if any. */
export class DeadlineError extends TinkerError {
  readonly code = "deadline";
  readonly deadlineMs: number;
  constructor(what: string, deadlineMs: number, cause?: unknown) {
    super(`${what} did not finish within its deadline of ${deadlineMs} ms`, { cause, retryable: true });
    this.deadlineMs = deadlineMs;
  }
}

/** The server answered with a status other than 2xx that retrying did not, or must not, cure. */
export class ApiStatusError extends TinkerError {
  readonly code = "status";
  readonly status: number;
  /** What the server said: the `detail` of its JSON body, or the start of its text. */
  readonly detail: string;
  /** Milliseconds that the server asked us to wait, if it did. */
  readonly retryAfterMs: number | undefined;
  constructor(
    what: string,
    status: number,
    detail: string,
    options: { readonly retryAfterMs?: number | undefined; readonly retryable: boolean },
  ) {
    const hint = status === 401 ? " (is TINKER_API_KEY right for this server?)" : "";
    super(`${what} was answered ${status}${detail === "" ? "" : `: ${detail}`}${hint}`, {
      retryable: options.retryable,
    });
    this.status = status;
    this.detail = detail;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The work was accepted and then failed on the server. */
export class RequestFailedError extends TinkerError {
  readonly code = "request_failed";
  readonly requestId: string;
  /** Who can mend it: `user` means that the input was wrong. */
  readonly category: "unknown" | "server" | "user";
  constructor(message: string, requestId: string, category: "unknown" | "server" | "user") {
    super(message, { retryable: category === "server" });
    this.requestId = requestId;
    this.category = category;
  }
}

/** A 2xx answer whose body is not what the protocol says. `cause` names the field. */
export class InvalidResponseError extends TinkerError {
  readonly code = "invalid_response";
}

/** The client was closed before or while the call ran. */
export class ClosedError extends TinkerError {
  readonly code = "closed";
  constructor(what: string) {
    super(`${what} is closed`);
  }
}

/**
 * 408, 429 and 5xx pass; 402 is a billing pause. 409 is not here: a conflict is a definite answer, and clients that
 * retry it hide the answer for minutes.
 */
export function isRetryableStatus(status: number): boolean {
  return status === 402 || status === 408 || status === 429 || status >= 500;
}
