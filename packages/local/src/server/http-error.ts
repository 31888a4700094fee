/** A request that is answered with a status other than success; the body is `{"detail": message}`. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly status: number;
  /** Seconds for `Retry-After`. */
  readonly retryAfter: number | undefined;

  constructor(status: number, message: string, options: { readonly retryAfter?: number } = {}) {
    super(message);
    this.status = status;
    this.retryAfter = options.retryAfter;
  }

  /**
   * True when a client takes this answer as the last word, so that it will not send the request again: the `seq_id`
   * of a refused training operation is then used up, and the operations behind it must not wait for it.
   */
  get final(): boolean {
    return this.status >= 400 && this.status < 500 && ![401, 408, 409, 425, 429].includes(this.status);
  }
}
