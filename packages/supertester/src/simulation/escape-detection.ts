import { asyncWrapProviders, createHook, type AsyncHook } from "node:async_hooks";
import { processSingleton } from "../context/process-singleton.ts";
import { currentWorld } from "../world/world.ts";
import { callSite, stackHere } from "./call-site.ts";
import { SimulationError } from "./failure.ts";
import { Lane } from "./lane.ts";

/** Native resources that only mark context and never complete on their own. */
const harmless = new Set(["NONE", "PROMISE", "HTTPINCOMINGMESSAGE", "HTTPCLIENTREQUEST", "ELDHISTOGRAM"]);

/** Frames of work that is done at once, or is Node's own: synchronous calls, cached dates, server sweeps, standard streams. */
const housekeeping =
  /\bsyncBufferWrapper|at \w+Sync \(node:|utcDate|setupConnectionsTracking|bufferResourceTiming|getStdout|getStderr|node:internal\/console|createWritableStdioStream/;

const detection = processSingleton("escape-detection", () => {
  const providers = new Set(Object.keys(asyncWrapProviders).filter((type) => !harmless.has(type)));
  providers.add("Timeout").add("Immediate");
  let hook: AsyncHook | undefined;
  let users = 0;
  return {
    start(): void {
      // Promises are excluded where Node can (24.7 and later): hooking each one costs more than running it.
      const options = {
        init: (_id: number, type: string) => {
          if (providers.has(type)) onNativeResource(type);
        },
        trackPromises: false,
      };
      hook ??= createHook(options);
      if (users++ === 0) hook.enable();
    },
    stop(): void {
      if (--users === 0) hook?.disable();
    },
  };
});

/** Watches for code that leaves a simulation for as long as `work` runs. */
export async function withEscapeDetection<T>(work: () => Promise<T>): Promise<T> {
  detection.start();
  try {
    return await work();
  } finally {
    detection.stop();
  }
}

function onNativeResource(type: string): void {
  const lane = currentWorld();
  if (!(lane instanceof Lane) || lane.kernel.ended || lane.kernel.settings.escapes === "ignore") return;
  const stack = stackHere(50);
  if (housekeeping.test(stack)) return;
  const what =
    type === "Timeout" || type === "Immediate"
      ? "a real timer: one of Node's own, or a function that was captured before supertester was imported"
      : `${type}, which completes outside the simulation`;
  const site = callSite(stack);
  const message = `escape: ${lane.name} started ${what}${site === undefined ? "" : `\n  at ${site}`}`;
  lane.kernel.fail("escape", new SimulationError("escape", message));
}
