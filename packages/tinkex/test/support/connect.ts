import { ServiceClient } from "../../src/index.ts";
import type { ServiceClientOptions } from "../../src/index.ts";
import type { ScriptedServer } from "./scripted-server.ts";
import { VirtualRuntime } from "./virtual-runtime.ts";

export interface Connected {
  readonly service: ServiceClient;
  readonly runtime: VirtualRuntime;
}

/** A service client on a virtual clock whose requests the scripted server answers. No environment, no network. */
export function connect(server: ScriptedServer, options: ServiceClientOptions = {}): Connected {
  const runtime = new VirtualRuntime(server.fetch);
  const service = new ServiceClient({
    apiKey: "tml-secret-key",
    baseUrl: "http://server.test",
    env: {},
    runtime,
    ...options,
  });
  return { service, runtime };
}
