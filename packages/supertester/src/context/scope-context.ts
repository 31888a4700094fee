import { AsyncLocalStorage } from "node:async_hooks";
import { threadId } from "node:worker_threads";
import { IsolationError } from "./errors.ts";
import { processSingleton } from "./process-singleton.ts";

/** `running`: the test's code runs. `closing`: its teardown runs. `ended`: whatever still runs is late. */
export type ScopePhase = "running" | "closing" | "ended";

/** The state that one isolation keeps in every scope. Found by name, so that two loads of this package share it. */
export interface Facet<T> {
  readonly name: string;
  readonly create: (context: ScopeContext) => T;
}

/**
 * What `AsyncLocalStorage` carries: who the running code belongs to, and a place where each isolation keeps its state.
 * The isolations know the context; the context knows none of them.
 */
export class ScopeContext {
  /** Readable and stable: file, full test name and attempt. */
  readonly id: string;
  /** Unique among all processes, and safe in a header, an environment variable and a file name. */
  readonly key: string;
  phase: ScopePhase = "running";
  readonly #facets = new Map<string, unknown>();

  constructor(id: string, key: string) {
    this.id = id;
    this.key = key;
  }

  /** This scope's state of an isolation, made at first use. */
  get<T>({ name, create }: Facet<T>): T {
    const known = this.#facets.get(name);
    if (known !== undefined) return known as T;
    const made = create(this);
    this.#facets.set(name, made);
    return made;
  }

  /** As `get`, without making it: for routers, which must cost nothing in a scope that does not use them. */
  peek<T>({ name }: Facet<T>): T | undefined {
    return this.#facets.get(name) as T | undefined;
  }

  /** Sets this scope's state of an isolation. */
  set<T>({ name }: Facet<T>, value: T): void {
    this.#facets.set(name, value);
  }
}

interface Contexts {
  readonly storage: AsyncLocalStorage<ScopeContext | undefined>;
  /** Scopes that have not ended, by key: what a header, a message or an environment variable refers to. */
  readonly live: Map<string, ScopeContext>;
  created: number;
}

const contexts = processSingleton<Contexts>("contexts", () => ({
  storage: new AsyncLocalStorage(),
  live: new Map(),
  created: 0,
}));

/** Makes a scope and keeps it findable by key until `endContext`. */
export function createContext(id: string): ScopeContext {
  contexts.created += 1;
  const key = ["st", process.pid, threadId, contexts.created].map((part) => part.toString(36)).join("-");
  const context = new ScopeContext(id, key);
  contexts.live.set(context.key, context);
  return context;
}

/** Marks a scope as ended: what it still runs is late from here on. */
export function endContext(context: ScopeContext): void {
  context.phase = "ended";
  contexts.live.delete(context.key);
}

/** The scope that owns the running code, even when it has ended; `undefined` outside every test. */
export function activeContext(): ScopeContext | undefined {
  return contexts.storage.getStore();
}

/** Runs `body` as part of `context`; `undefined` means as part of none. */
export function runInContext<T>(context: ScopeContext | undefined, body: () => T): T {
  return contexts.storage.run(context, body);
}

/**
 * Makes `context` the owner of the rest of the current callback and of everything it starts. Only for a router that was
 * called in a callback of its own and cannot wrap what runs next; anywhere else the owner would leak into a stranger.
 */
export function enterContext(context: ScopeContext | undefined): void {
  contexts.storage.enterWith(context);
}

/** The live scope with this key. */
export function liveContext(key: string): ScopeContext | undefined {
  return contexts.live.get(key);
}

/** Every live scope, oldest first. */
export function liveContexts(): readonly ScopeContext[] {
  return [...contexts.live.values()];
}

/**
 * The scope that owns the running code, which must not have ended.
 *
 * @throws IsolationError `outside-test` or `after-end`; `what` names what was attempted.
 */
export function requireContext(what: string): ScopeContext {
  const context = contexts.storage.getStore();
  if (context === undefined) {
    throw new IsolationError(
      "outside-test",
      `${what} belongs to a test, and no test owns the code that called it. Call it inside a test (vitest: list "supertester/vitest" in ` +
        '`setupFiles`; node:test: import `test` from "supertester/node-test"; elsewhere: `isolate(…)`). If it is inside one, the caller was ' +
        "registered by other code, on a shared emitter or queue, and lost its owner there: wrap it in `bind`.",
    );
  }
  requireOpen(context, what);
  return context;
}

/** @throws IsolationError `after-end` when `context` has ended; `what` names what was attempted. */
export function requireOpen(context: ScopeContext, what: string): void {
  if (context.phase === "ended") {
    throw new IsolationError(
      "after-end",
      `${what} was called after its test had ended: "${context.id}". Something the test started outlived it: await it, or hand it to \`scope.defer\` or \`scope.start\`.`,
    );
  }
}
