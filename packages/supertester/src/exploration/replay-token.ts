import { naturalPlan, type Plan } from "./plan.ts";

/** Everything that is needed to run one schedule again. */
export interface Recording {
  /** Which exploration it belongs to; see `siteHash`. */
  readonly site: number;
  /** The seed of the randomness that the body saw. */
  readonly seed: string;
  readonly plan: Plan;
  /** Low 32 bits of the run's event hash, to notice a program that has changed. */
  readonly fingerprint: number;
}

const prefix = "st1_";

/** A short text for an environment variable: one delay takes about 40 characters. */
export function encodeToken({ site, seed, plan, fingerprint }: Recording): string {
  const out = new Writer();
  out.word(site);
  out.word(fingerprint);
  out.text(seed);
  out.list(plan.holds, ({ event, past }) => {
    out.word(event);
    out.word(past);
  });
  out.list(plan.choices, ({ id, value }) => {
    out.word(id);
    out.varint(value);
  });
  out.list(plan.script, ({ step, event }) => {
    out.varint(step);
    out.word(event);
  });
  return prefix + Buffer.from(out.bytes).toString("base64url");
}

/** Throws `TypeError` when the text is not a token of this version. */
export function decodeToken(token: string): Recording {
  const input = new Reader(Buffer.from(token.slice(prefix.length), "base64url"));
  const recording = {
    site: input.word(),
    fingerprint: input.word(),
    seed: input.text(),
    plan: {
      ...naturalPlan,
      holds: input.list(() => ({ event: input.word(), past: input.word() })),
      choices: input.list(() => ({ id: input.word(), value: input.varint() })),
      script: input.list(() => ({ step: input.varint(), event: input.word() })),
    },
  };
  if (!token.startsWith(prefix) || !input.isComplete) {
    throw new TypeError(
      `Not a replay token: ${JSON.stringify(token)}. Paste the whole text that starts with "${prefix}".`,
    );
  }
  return recording;
}

class Writer {
  readonly bytes: number[] = [];

  word(value: number): void {
    this.bytes.push(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24);
  }

  varint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.bytes.push((rest & 127) | 128);
      rest = Math.floor(rest / 128);
    }
    this.bytes.push(rest);
  }

  text(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.varint(bytes.length);
    this.bytes.push(...bytes);
  }

  list<T>(values: readonly T[], write: (value: T) => void): void {
    this.varint(values.length);
    for (const value of values) write(value);
  }
}

/** Reads zeros past the end, and then is not complete. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isComplete(): boolean {
    return this.#at === this.#bytes.length;
  }

  #byte(): number {
    return this.#bytes[this.#at++] ?? 0;
  }

  word(): number {
    return (this.#byte() | (this.#byte() << 8) | (this.#byte() << 16) | (this.#byte() << 24)) >>> 0;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  text(): string {
    const length = this.varint();
    const bytes = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return new TextDecoder().decode(bytes);
  }

  list<T>(read: () => T): T[] {
    const length = this.varint();
    const values: T[] = [];
    // A damaged length must not run away: it ends with the input.
    for (let index = 0; index < length && this.#at < this.#bytes.length; index++) values.push(read());
    if (values.length < length) this.#at = Infinity;
    return values;
  }
}
