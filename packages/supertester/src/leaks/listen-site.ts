import { subscribe } from "node:diagnostics_channel";
import { processSingleton } from "../context/process-singleton.ts";
import { captureSite, type CreationSite } from "./creation-site.ts";
import type { OwnedResource } from "./ledger.ts";

const sites = () => processSingleton("listen-sites", () => new WeakMap<object, CreationSite>());

/** Remembers who called `listen`: with a host name, Node makes the server's handle later, when no code of the caller is on the stack. */
export function installListenSites(): void {
  processSingleton("listen-site-channel", () => {
    subscribe("tracing:net.server.listen:asyncStart", (message) => {
      sites().set((message as { server: object }).server, captureSite());
    });
    return true;
  });
}

/** Where the resource was made: for the handle of a server, where `listen` was called. */
export function siteOf({ site, resource }: OwnedResource): CreationSite {
  const handle = resource.deref();
  const owner =
    handle && Object.getOwnPropertySymbols(handle).find(({ description }) => description === "owner_symbol");
  const server = owner === undefined ? undefined : (handle as unknown as Record<symbol, object | null>)[owner];
  return (server && sites().get(server)) ?? site;
}
