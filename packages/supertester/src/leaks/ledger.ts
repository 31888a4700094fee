import { createHook } from "node:async_hooks";
import { processSingleton } from "../context/process-singleton.ts";
import { activeContext, type Facet, type ScopeContext } from "../context/scope-context.ts";
import { captureSite, type CreationSite } from "./creation-site.ts";

/**
 * - `timer`: a timeout or interval. - `immediate`: a `setImmediate`.
 * - `request`: one operation with an end: a file read, a lookup, a connect, a write, a hash.
 * - `handle`: something that stays until it is closed: a socket, server, watcher, worker, child process, port.
 */
export type ResourceKind = "timer" | "immediate" | "request" | "handle";

/** The state of Node's own object, as far as its kind has it. */
export interface ResourceState {
  hasRef?(): boolean;
  /** What a socket of an `http.Agent` is wrapped in when a later request takes it over. */
  readonly handle?: ResourceState;
  /** zlib: the chunk that is being worked on; the object itself lives as long as the stream. */
  readonly buffer?: object | null;
  readonly _repeat?: unknown;
}

/** A resource of Node that a test's code made and that still exists. */
export interface OwnedResource {
  readonly kind: ResourceKind;
  /** Node's name of the resource, as in `async_hooks`: `Timeout`, `TCPSERVERWRAP`, ... */
  readonly type: string;
  readonly site: CreationSite;
  readonly resource: WeakRef<ResourceState>;
}

/** What one scope owns and how many of each it ever made. */
export interface Ledger {
  readonly owned: Map<number, OwnedResource>;
  /** Resources made so far, by Node's name. */
  readonly made: Map<string, number>;
}

const ledgers: Facet<Ledger> = { name: "ledger", create: () => ({ owned: new Map(), made: new Map() }) };

/** The ledger of `context`. */
export function ledgerOf(context: ScopeContext): Ledger {
  return context.get(ledgers);
}

const requests =
  /^FSREQ|^FILEHANDLECLOSEREQ$|^[A-Z0-9]+REQUEST$|REQWRAP$|CONNECTWRAP$|WRITEWRAP$|SHUTDOWNWRAP$|SENDWRAP$|^QUERYWRAP$|^ZLIB$/;
const handles =
  /^(?:TCP|PIPE|TCPSERVER|PIPESERVER|UDP|FSEVENT|PROCESS|SIGNAL)WRAP$|^(?:WORKER|MESSAGEPORT|STATWATCHER|HTTP2SESSION|TLSWRAP)$/;

function classify(type: string): ResourceKind | undefined {
  if (type === "Timeout") return "timer";
  if (type === "Immediate") return "immediate";
  if (handles.test(type)) return "handle";
  return requests.test(type) ? "request" : undefined;
}

/**
 * Starts recording who makes which resource. One hook for the process, on for good: it leaves promises alone (so `await`
 * costs nothing more) and looks no further when no test owns the running code.
 */
export function installLedger(): void {
  processSingleton("ledger", () => {
    const owners = new Map<number, Ledger>();
    const kinds = new Map<string, ResourceKind | undefined>();

    function init(asyncId: number, type: string, _trigger: number, resource: ResourceState): void {
      const context = activeContext();
      if (context === undefined || context.phase === "ended") return;
      let kind = kinds.get(type);
      if (kind === undefined && !kinds.has(type)) kinds.set(type, (kind = classify(type)));
      if (kind === undefined) return;
      const ledger = ledgerOf(context);
      ledger.owned.set(asyncId, { kind, type, site: captureSite(), resource: new WeakRef(resource) });
      ledger.made.set(type, (ledger.made.get(type) ?? 0) + 1);
      owners.set(asyncId, ledger);
    }
    function destroy(asyncId: number): void {
      const ledger = owners.get(asyncId);
      if (ledger === undefined) return;
      owners.delete(asyncId);
      ledger.owned.delete(asyncId);
    }
    // `trackPromises: false` is what makes this affordable; the option is newer than its type declarations.
    const options = { init, destroy, trackPromises: false };
    return createHook(options).enable();
  });
}

/** Whether the resource would keep the process alive: the line between standing background work and a leak. */
export function holdsProcess({ type, resource }: OwnedResource): boolean {
  const target = resource.deref();
  if (target === undefined) return false;
  if (type === "ZLIB") return target.buffer !== null && target.buffer !== undefined;
  return target.hasRef?.() ?? target.handle?.hasRef?.() ?? true;
}

/** Whether the resource is a repeating timer. */
export function repeats({ kind, resource }: OwnedResource): boolean {
  return kind === "timer" && typeof resource.deref()?._repeat === "number";
}
