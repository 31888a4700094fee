import { inspect } from "node:util";
import { IsolationError, SupertesterError } from "../context/errors.ts";
import { requireOpen, type ScopeContext } from "../context/scope-context.ts";
import { settle, type SettleOptions } from "../leaks/quiescence.ts";
import { describeUnattributed, shorten, unattributedSince, type Unattributed } from "../context/unattributed.ts";

/** What was recorded is not what was expected. */
export class ExpectationError extends SupertesterError {
  override name = "ExpectationError";
  /** `exactly 3`, `none`, `at least one`. */
  readonly expectation: string;
  /** What was recorded, in order. */
  readonly recorded: readonly unknown[];
  /** What was emitted without an owner while the test ran and may be what is missing. */
  readonly unattributed: readonly Unattributed[];

  constructor(message: string, expectation: string, recorded: readonly unknown[], lost: readonly Unattributed[]) {
    super(message);
    this.expectation = expectation;
    this.recorded = recorded;
    this.unattributed = lost;
  }
}

/** Where a recording takes its items from, and how it speaks of them. */
export interface RecordingSource<T> {
  readonly context: ScopeContext;
  /** What one item is called in messages: `message on "orders"`. */
  readonly noun: string;
  readonly read: () => readonly T[];
  /** Whether a lost emission could have been one of these. */
  readonly mayBe: (lost: Unattributed) => boolean;
}

const shown = 20;

/**
 * What one test emitted, live and in order. The checks wait until the test is at rest (see `settle`), not for a time: then
 * a count is exact, a surplus is seen, and "nothing" means nothing. They throw `ExpectationError`.
 */
export class Recording<T> implements Iterable<T> {
  readonly #source: RecordingSource<T>;

  constructor(source: RecordingSource<T>) {
    this.#source = source;
  }

  /** What has been recorded so far. */
  get all(): readonly T[] {
    return this.#source.read();
  }

  get length(): number {
    return this.all.length;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.all[Symbol.iterator]();
  }

  /** The part that satisfies `predicate`, just as live; `label` names it in messages. */
  where<S extends T>(predicate: (item: T) => item is S, label?: string): Recording<S>;
  where(predicate: (item: T) => boolean, label?: string): Recording<T>;
  where(predicate: (item: T) => boolean, label = predicate.name || "matching"): Recording<T> {
    const source = this.#source;
    return new Recording({
      ...source,
      noun: `${label} ${source.noun}`,
      read: () => source.read().filter((item) => predicate(item)),
    });
  }

  /** At rest there are exactly `count`; resolves to them. */
  async exactly(count: number, options?: SettleOptions): Promise<readonly T[]> {
    if (!Number.isSafeInteger(count) || count < 0) {
      throw new IsolationError("invalid-argument", `exactly(${String(count)}): a count is a whole number from 0`);
    }
    const items = await this.#atRest(options);
    if (items.length !== count) this.#fail(`exactly ${count}`, items);
    return items;
  }

  /** At rest there is none. */
  async none(options?: SettleOptions): Promise<void> {
    const items = await this.#atRest(options);
    if (items.length > 0) this.#fail("none", items);
  }

  /** At rest there is exactly one; resolves to it. */
  async one(options?: SettleOptions): Promise<T> {
    const [item] = await this.exactly(1, options);
    return item as T;
  }

  /** At rest there is at least one; resolves to all of them. */
  async some(options?: SettleOptions): Promise<readonly T[]> {
    const items = await this.#atRest(options);
    if (items.length === 0) this.#fail("at least one", items);
    return items;
  }

  async #atRest(options: SettleOptions | undefined): Promise<readonly T[]> {
    const { context, noun, read } = this.#source;
    requireOpen(context, `the check of ${noun}`);
    await settle(context, options);
    return [...read()];
  }

  #fail(expected: string, items: readonly T[]): never {
    const { context, noun, mayBe } = this.#source;
    const lost = unattributedSince(context).filter(mayBe);
    const lines = items
      .slice(0, shown)
      .map((item) => `  ${shorten(inspect(item, { depth: 4, breakLength: Infinity }))}`);
    if (items.length > shown) lines.push(`  … and ${items.length - shown} more`);
    if (lost.length > 0) {
      lines.push(
        `Unattributed while the test ran (${lost.length}): if they are this test's, \`bind\` what emits them.`,
      );
      lines.push(...lost.slice(-shown).map((entry) => `  ${describeUnattributed(entry)}`));
    }
    const colon = lines.length > 0 ? ":" : ".";
    throw new ExpectationError(
      `expected ${expected} ${noun}, recorded ${items.length}${colon}\n${lines.join("\n")}`,
      expected,
      items,
      lost,
    );
  }
}
