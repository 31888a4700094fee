import { IsolationError } from "../../context/errors.ts";
import { processSingleton } from "../../context/process-singleton.ts";
import { activeContext, type Facet, type ScopeContext } from "../../context/scope-context.ts";
import { captureSite } from "../../leaks/creation-site.ts";
import { defaultStageLimitMs, deferEntry } from "../../lifecycle/teardown.ts";
import { viewOf } from "./isolated-map.ts";

/**
 * What a library says of process-wide state that each test should have to itself, without depending on this package: it
 * pushes one of these to the array at `globalThis[Symbol.for("supertester.isolatable")]`, making the array if need be.
 */
export interface Isolatable<T = unknown> {
  /** How tests refer to it, by custom `package.what`. */
  readonly name: string;
  /** Makes a test's own instance. */
  create(): T;
  /**
   * Hands over how to find the instance for the running code; `undefined` means: use the process-wide one. Called once, when
   * the kit meets the entry.
   */
  route(resolve: () => T | undefined): void;
  /** Ends a test's own instance when the test ends. */
  dispose?(value: T): unknown;
}

/** Names of isolatables that a scope shares with the process. */
type Shared = ReadonlySet<string>;

const isolatableKey = Symbol.for("supertester.isolatable");
const leftShared: Facet<Shared> = { name: "shared-isolatables", create: () => new Set() };

const known = () => processSingleton("isolatables", () => new Set<string>());

function route(entry: Isolatable): void {
  const { name, create, route: accept } = entry as Partial<Isolatable>;
  if (typeof name !== "string" || typeof create !== "function" || typeof accept !== "function") {
    throw new IsolationError(
      "invalid-argument",
      `an entry of globalThis[Symbol.for("supertester.isolatable")] needs a name, create() and route(resolve); this one has ${JSON.stringify(Object.keys(entry))}`,
    );
  }
  known().add(name);
  entry.route(() => {
    const context = activeContext();
    if (context === undefined || context.peek(leftShared)?.has(name) === true) return undefined;
    return viewOf(context, entry, () => {
      const value = entry.create();
      if (entry.dispose !== undefined) {
        const stages = [{ name: "dispose", run: () => entry.dispose?.(value) }];
        deferEntry(context, { name, site: captureSite(), stages, limitMs: defaultStageLimitMs });
      }
      return value;
    });
  });
}

/** Routes what libraries have declared so far, and what those loaded later declare. */
export function installIsolatables(): void {
  processSingleton("isolatable-protocol", () => {
    const holder = globalThis as { [key: symbol]: unknown };
    const waiting = (holder[isolatableKey] as readonly Isolatable[] | undefined) ?? [];
    holder[isolatableKey] = { push: (...entries: readonly Isolatable[]) => entries.forEach(route) };
    waiting.forEach(route);
    return true;
  });
}

/**
 * Leaves these isolatables process-wide for `context`.
 *
 * @throws IsolationError `not-isolatable` for a name that nothing has declared: sharing it would mean nothing.
 */
export function shareIsolatables(context: ScopeContext, names: readonly string[]): void {
  for (const name of names) {
    if (known().has(name)) continue;
    const declared = [...known()].join(", ") || "none";
    throw new IsolationError(
      "not-isolatable",
      `nothing isolatable is called "${name}"; declared in this process: ${declared}`,
    );
  }
  context.set(leftShared, new Set(names));
}
