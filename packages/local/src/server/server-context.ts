import type { BaseModel, Engine } from "../engine/engine.ts";
import type { PendingBytes, SampleQueue } from "./admission.ts";
import type { Checkpoints } from "./checkpoints/checkpoints.ts";
import type { FutureTable } from "./futures.ts";
import { HttpError } from "./http-error.ts";
import type { ServerLimits } from "./limits.ts";
import type { Models } from "./models.ts";
import type { PauseGate } from "./pause-gate.ts";
import type { Runtime } from "./runtime.ts";
import type { Samplers } from "./samplers.ts";
import type { Sessions } from "./sessions.ts";

/** How the server words what clients are meant to tolerate in both forms. */
export type Dialect = "tinker" | "skyrl";

/** The parts of one server, which its routes share. */
export interface ServerContext {
  readonly engine: Engine;
  readonly runtime: Runtime;
  readonly limits: ServerLimits;
  readonly dialect: Dialect;
  readonly futures: FutureTable;
  readonly sessions: Sessions;
  readonly models: Models;
  readonly samplers: Samplers;
  readonly checkpoints: Checkpoints;
  readonly samples: SampleQueue;
  readonly pendingBytes: PendingBytes;
  readonly gate: PauseGate;
}

/** The base model of that name; throws a 400 that lists those there are. */
export function baseModel(context: ServerContext, name: string): BaseModel {
  const found = context.engine.baseModels.find((model) => model.name === name);
  if (found !== undefined) return found;
  const names = context.engine.baseModels.map((model) => model.name).join(", ");
  throw new HttpError(400, `Base model ${JSON.stringify(name.slice(0, 100))} is not served here; there is ${names}.`);
}
