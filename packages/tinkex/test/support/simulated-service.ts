import { ScriptedEngine, createTinkerApp } from "@tinkex/local";
import type { Faults, Sim } from "supertester";
import { Datum, ModelInput, ServiceClient } from "../../src/index.ts";

export const baseModel = "scripted/tiny";

export const datum = Datum.from({
  modelInput: ModelInput.fromInts([1, 2]),
  lossFnInputs: { target_tokens: [2, 3], weights: [1, 1] },
});

export interface SimulatedService {
  readonly engine: ScriptedEngine;
  readonly service: ServiceClient;
  /** Another client of the same key. */
  readonly client: () => ServiceClient;
}

/** The SDK on its ordinary runtime, and the real server application, in one simulation. */
export function simulatedService(sim: Sim, faults?: Faults): SimulatedService {
  const engine = new ScriptedEngine();
  const app = createTinkerApp({ engine, apiKey: "tml-sim" });
  sim.http("tinker.test", app, faults === undefined ? {} : { faults });
  const client = (): ServiceClient => new ServiceClient({ apiKey: "tml-sim", baseUrl: "http://tinker.test", env: {} });
  return { engine, service: client(), client };
}

/** Lets requests arrive that the network has doubled and nobody waits for any more. */
export async function quiet(sim: Sim): Promise<void> {
  await sim.sleep(5000);
}

/** What changed the weights, in order. */
export function trainingEffects({ effects }: ScriptedEngine): readonly string[] {
  return effects.map(({ operation }) => operation).filter((name) => name === "forwardBackward" || name === "optimStep");
}

export function check(condition: boolean, message: string): void {
  if (!condition) throw new Error(message);
}
