const marker = Symbol.for("tinkex.protocolError");

/** What was wrong, where, in which message. */
export interface ProtocolErrorDetails {
  /** The message that was being read, written or built, e.g. `SampleRequest`. */
  readonly message: string;
  /** The offending field as it is spelled on the wire, e.g. `prompt.chunks[0].tokens[3]`; empty for the message as a whole. */
  readonly path: string;
  /** What the field must be, in words. */
  readonly expected: string;
  /** What was there instead, shortened; never a whole payload. */
  readonly found: string;
}

/**
 * The only error this package throws: a value, JSON text or protobuf body that is not what the protocol says.
 *
 * Recognise it with {@link ProtocolError.isInstance}, which also works when two copies of the package are installed.
 */
export class ProtocolError extends Error implements Omit<ProtocolErrorDetails, "message"> {
  override readonly name = "ProtocolError";
  /** The message that was being read, written or built, e.g. `SampleRequest`. */
  readonly messageKind: string;
  /** The offending field as it is spelled on the wire; empty for the message as a whole. */
  readonly path: string;
  /** What the field must be, in words. */
  readonly expected: string;
  /** What was there instead, shortened. */
  readonly found: string;

  constructor(details: ProtocolErrorDetails, options?: ErrorOptions) {
    const where = details.path === "" ? details.message : `${details.message}: ${details.path}`;
    super(`${where} must be ${details.expected}, found ${details.found}`, options);
    Object.defineProperty(this, marker, { value: true });
    this.messageKind = details.message;
    this.path = details.path;
    this.expected = details.expected;
    this.found = details.found;
  }

  /** True for a `ProtocolError` of any copy of this package. */
  static isInstance(this: void, value: unknown): value is ProtocolError {
    return typeof value === "object" && value !== null && marker in value;
  }
}

const longestQuote = 60;

/** Keys of maps are data, and may be as long as their sender likes. */
const shorten = (key: string): string => (key.length <= longestQuote ? key : `${key.slice(0, longestQuote)}...`);

/** A short description of any value, safe to put in an error: strings are cut, containers are only named. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value.length <= longestQuote
        ? JSON.stringify(value)
        : `${JSON.stringify(value.slice(0, longestQuote))}... (${value.length} characters)`;
    case "number":
    case "boolean":
    case "undefined":
      return String(value);
    case "bigint":
      return `${String(value).slice(0, longestQuote)}n`;
    case "symbol":
    case "function":
      return `a ${typeof value}`;
    case "object":
      if (value === null) return "null";
      if (Array.isArray(value)) return `an array of ${value.length}`;
      if (ArrayBuffer.isView(value)) return `a ${value.constructor.name} of ${value.byteLength} bytes`;
      return "an object";
  }
}

/** A place inside a message. Places form a linked list, so that naming one costs nothing until an error needs it. */
export class Place {
  readonly #parent: Place | undefined;
  readonly #key: string | number;
  readonly depth: number;

  private constructor(key: string | number, parent?: Place) {
    this.#key = key;
    this.#parent = parent;
    this.depth = parent === undefined ? 0 : parent.depth + 1;
  }

  /** The message itself. */
  static root(message: string): Place {
    return new Place(message);
  }

  #keys(): (string | number)[] {
    return [...(this.#parent === undefined ? [] : this.#parent.#keys()), this.#key];
  }

  /** A field (string) or an element (number) of what is here. */
  at(key: string | number): Place {
    return new Place(key, this);
  }

  /** Throws the error for this place. */
  fail(expected: string, found: unknown): never {
    return this.failWith(expected, describe(found));
  }

  /** As {@link fail}, with what was found already in words. */
  failWith(expected: string, found: string, cause?: unknown): never {
    const [message = "", ...keys] = this.#keys();
    const path = keys
      .map((key, index) => (typeof key === "number" ? `[${key}]` : `${index === 0 ? "" : "."}${shorten(key)}`))
      .join("");
    throw new ProtocolError(
      { message: String(message), path, expected, found },
      cause === undefined ? undefined : { cause },
    );
  }
}
