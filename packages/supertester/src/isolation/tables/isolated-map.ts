import { IsolationError } from "../../context/errors.ts";
import { activeContext, requireContext, type Facet, type ScopeContext } from "../../context/scope-context.ts";

/**
 * What a test sees of a table: `empty`: its own, empty. `snapshot`: its own copy of the process-wide content, taken at first
 * touch. `shared`: the process-wide table itself.
 */
export type TableMode = "empty" | "snapshot" | "shared";

/** Options of an `IsolatedMap`. */
export interface TableOptions<V> {
  /** What it is called in messages. */
  readonly name?: string;
  /** Default `empty`. */
  readonly mode?: TableMode;
  /** Copies a value for a snapshot. Default: a deep copy of plain data; other values are refused. */
  readonly clone?: (value: V) => V;
}

type Views = Map<object, unknown>;
const tables: Facet<Views> = { name: "tables", create: () => new Map() };

/** What `context` has in the place of `shared`, made at first touch. */
export function viewOf<T>(context: ScopeContext, shared: object, create: () => T): T {
  const views = context.get(tables);
  const known = views.get(shared);
  if (known !== undefined) return known as T;
  const made = create();
  views.set(shared, made);
  return made;
}

/** Puts `view` in the place of `shared` for `context`. */
export function replaceView(context: ScopeContext, shared: object, view: unknown): void {
  context.get(tables).set(shared, view);
}

/** Whether `context` has touched `shared` already. */
export function hasView(context: ScopeContext, shared: object): boolean {
  return context.peek(tables)?.has(shared) ?? false;
}

/**
 * A `Map` that every test sees as its own. Each operation is resolved when it is called, so one instance may sit in a module
 * and be used by all tests at once; outside tests, in production too, it is a plain map.
 */
export class IsolatedMap<K, V> extends Map<K, V> {
  readonly #options: TableOptions<V>;
  /** The process-wide content. */
  readonly #shared = new Map<K, V>();

  constructor(entries?: Iterable<readonly [K, V]> | null, options: TableOptions<V> = {}) {
    super();
    this.#options = options;
    const { mode } = options;
    if (mode !== undefined) checkMode(mode);
    for (const [key, value] of entries ?? []) this.#shared.set(key, value);
  }

  /** What messages call it. */
  get name(): string {
    return this.#options.name ?? this.constructor.name;
  }

  /**
   * Chooses the mode for the running test, before it touches the table.
   *
   * @throws IsolationError `outside-test`; `not-isolatable` when the test has touched it, because what it saw until then
   * cannot be unseen.
   */
  isolateAs(mode: TableMode): void {
    checkMode(mode);
    const context = requireContext(`isolateAs on the table "${this.name}"`);
    if (hasView(context, this)) {
      throw new IsolationError(
        "not-isolatable",
        `the table "${this.name}" has been used by this test already; choose its mode before`,
      );
    }
    this.#make(context, mode);
  }

  /** The map that the running code sees. */
  protected view(): Map<K, V> {
    const context = activeContext();
    if (context === undefined) return this.#shared;
    return viewOf(context, this, () => this.#make(context, this.#options.mode ?? "empty"));
  }

  #make(context: ScopeContext, mode: TableMode): Map<K, V> {
    const view = mode === "shared" ? this.#shared : mode === "empty" ? new Map<K, V>() : this.#snapshot();
    replaceView(context, this, view);
    return view;
  }

  #snapshot(): Map<K, V> {
    const copy = this.#options.clone ?? ((value: V) => clonePlain(value, this.name));
    return new Map([...this.#shared].map(([key, value]) => [key, copy(value)] as const));
  }

  override get size(): number {
    return this.view().size;
  }
  override get(key: K): V | undefined {
    return this.view().get(key);
  }
  override has(key: K): boolean {
    return this.view().has(key);
  }
  override set(key: K, value: V): this {
    this.view().set(key, value);
    return this;
  }
  override delete(key: K): boolean {
    return this.view().delete(key);
  }
  override clear(): void {
    this.view().clear();
  }
  override forEach(visit: (value: V, key: K, map: Map<K, V>) => void, thisArg?: unknown): void {
    this.view().forEach((value, key) => visit.call(thisArg, value, key, this));
  }
  override keys(): MapIterator<K> {
    return this.view().keys();
  }
  override values(): MapIterator<V> {
    return this.view().values();
  }
  override entries(): MapIterator<[K, V]> {
    return this.view().entries();
  }
  override [Symbol.iterator](): MapIterator<[K, V]> {
    return this.view().entries();
  }
}

function checkMode(mode: TableMode): void {
  const known: readonly string[] = ["empty", "snapshot", "shared"];
  if (!known.includes(mode))
    throw new IsolationError("invalid-argument", `"${mode}" is not a table mode: use ${known.join(", ")}`);
}

/** A deep copy of data; refuses what `structuredClone` would mangle, such as instances of classes, which lose their methods. */
function clonePlain<V>(value: V, table: string): V {
  const seen = new Set<unknown>();
  const check = (part: unknown): void => {
    if ((typeof part !== "object" && typeof part !== "function") || part === null || seen.has(part)) return;
    seen.add(part);
    const prototype: unknown = Object.getPrototypeOf(part);
    if (part instanceof Map) for (const pair of part) pair.forEach(check);
    else if (part instanceof Set) for (const item of part) check(item);
    else if (prototype === Object.prototype || prototype === null || Array.isArray(part))
      Object.values(part).forEach(check);
    else if (
      typeof part === "function" ||
      !(part instanceof Date || part instanceof RegExp || ArrayBuffer.isView(part))
    ) {
      const what = typeof part === "function" ? "a function" : `an instance of ${part.constructor.name}`;
      throw new IsolationError(
        "not-isolatable",
        `the table "${table}" holds ${what}, which cannot be copied for a snapshot; give it a \`clone\`, or use the mode "empty" or "shared"`,
      );
    }
  };
  check(value);
  return structuredClone(value);
}
