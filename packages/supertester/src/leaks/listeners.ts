import type { EventEmitter } from "node:events";
import { processSingleton } from "../context/process-singleton.ts";
import { activeContext, type Facet, type ScopeContext } from "../context/scope-context.ts";
import { captureSite, type CreationSite } from "./creation-site.ts";

/** A listener that a test's code put on a watched emitter and has not removed. */
export interface OwnedListener {
  readonly emitter: string;
  readonly event: string;
  readonly listener: unknown;
  readonly site: CreationSite;
}

const listeners: Facet<Set<OwnedListener>> = { name: "listeners", create: () => new Set() };

/** The listeners of `context` that are still registered. */
export function listenersOf(context: ScopeContext): Set<OwnedListener> {
  return context.get(listeners);
}

const watched = () => processSingleton("watched-emitters", () => new WeakSet<EventEmitter>());

/**
 * Attributes listeners added to `emitter` from now on to the test that adds them; one that is still there when the test has
 * ended is a leak. For emitters that outlive a test: a shared bus, a module's singleton. `process` is always watched.
 */
export function watchListeners(emitter: EventEmitter, name: string = emitter.constructor.name): void {
  if (watched().has(emitter)) return;
  watched().add(emitter);
  const owners = new Map<unknown, { readonly entry: OwnedListener; readonly own: Set<OwnedListener> }[]>();

  function onNew(event: string | symbol, listener: unknown): void {
    const context = activeContext();
    if (context === undefined || context.phase === "ended") return;
    const entry: OwnedListener = { emitter: name, event: String(event), listener, site: captureSite() };
    const own = listenersOf(context);
    own.add(entry);
    const known = owners.get(listener);
    if (known === undefined) owners.set(listener, [{ entry, own }]);
    else known.push({ entry, own });
  }
  function onRemoved(event: string | symbol, listener: unknown): void {
    const known = owners.get(listener);
    const at = known?.findLastIndex(({ entry }) => entry.event === String(event)) ?? -1;
    const [removed] = known?.splice(at, at < 0 ? 0 : 1) ?? [];
    removed?.own.delete(removed.entry);
    if (known?.length === 0) owners.delete(listener);
  }
  emitter.on("newListener", onNew);
  emitter.on("removeListener", onRemoved);
}
