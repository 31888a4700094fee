/**
 * What was wrong with the use of an isolation:
 *
 * - `outside-test`: a scope was needed and the calling code belongs to none.
 * - `after-end`: the test that owns the calling code has ended.
 * - `fake-timers`: `vi.useFakeTimers` in a test that runs beside others, whose timers it would freeze too.
 * - `not-isolatable`: an isolation was asked for that cannot be given.
 * - `two-copies`: two versions of this package are loaded in one process.
 * - `invalid-argument`: an argument is malformed.
 */
export type IsolationErrorCode =
  | "outside-test"
  | "after-end"
  | "fake-timers"
  | "not-isolatable"
  | "two-copies"
  | "invalid-argument";

const marker = Symbol.for("supertester.error");

/** Root of every error this kit throws for itself. Recognised by a marker, so it survives two loads of the package. */
export class SupertesterError extends Error {
  override name = "SupertesterError";

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    Object.defineProperty(this, marker, { value: true });
  }

  /** Whether `value` is one of this package's errors, of whichever loaded copy. */
  static isInstance(value: unknown): value is SupertesterError {
    return typeof value === "object" && value !== null && (value as Record<symbol, unknown>)[marker] === true;
  }
}

/** The kit was used wrongly; `code` says how, the message says what to do instead. */
export class IsolationError extends SupertesterError {
  override name = "IsolationError";
  readonly code: IsolationErrorCode;

  constructor(code: IsolationErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
