import { CreateModelResponse, LoadWeightsResponse, type JsonObject } from "@tinkex/protocol";
import type { AdapterSpec } from "../engine/engine.ts";
import { checkpointPath, type CheckpointRecord } from "./checkpoints/checkpoint-record.ts";
import { HttpError } from "./http-error.ts";
import { OperationQueue } from "./operation-queue.ts";
import type { ServerContext } from "./server-context.ts";
import type { Session } from "./sessions.ts";
import { submitOperation } from "./submissions.ts";
import type { TrainingModel } from "./models.ts";

/** What a new model is made from. */
export interface ModelPlan {
  readonly modelSeqId: number;
  readonly spec: AdapterSpec;
  readonly userMetadata: JsonObject | undefined;
  /** The checkpoint it starts from; without one it starts as its base model. */
  readonly start?: { readonly record: CheckpointRecord; readonly optimizer: boolean };
}

/** The request id that the same creation got before; a different one under its number throws a 409. */
export function findCreated(session: Session, modelSeqId: number, digest: string): string | undefined {
  const known = session.models.get(modelSeqId);
  if (known === undefined || known.digest === digest) return known?.requestId;
  throw new HttpError(409, `model_seq_id ${modelSeqId} of ${session.id} was already used for another model.`);
}

/** Creates a model; the creation is the first of its operations, so the others may be sent before it has ended. */
export function createModel(
  context: ServerContext,
  session: Session,
  plan: ModelPlan,
  request: { readonly digest: string; readonly bytes: number },
): { readonly requestId: string; readonly modelId: string } {
  const { engine, runtime, gate, limits, models, checkpoints } = context;
  const modelId = `${session.id}:train:${plan.modelSeqId}`;
  const model: TrainingModel = {
    id: modelId,
    sessionId: session.id,
    spec: plan.spec,
    userMetadata: plan.userMetadata,
    queue: new OperationQueue(runtime, gate, limits),
    submitted: new Map(),
    lastRequestAt: runtime.now(),
    loaded: false,
    ended: undefined,
    unloading: undefined,
  };
  const submission = { kind: plan.start === undefined ? "CreateModel" : "LoadWeights", seqId: undefined } as const;
  const requestId = submitOperation(context, model, { ...submission, ...request }, async () => {
    try {
      await engine.createAdapter(modelId, plan.spec);
      model.loaded = true;
      if (plan.start !== undefined)
        await engine.importState(modelId, await checkpoints.load(plan.start.record, plan.start));
    } catch (error) {
      const message = `Model ${modelId} could not be created: ${error instanceof Error ? error.message : String(error)}`;
      void models.end(model, message).catch(() => {});
      throw error;
    }
    const text =
      plan.start === undefined
        ? CreateModelResponse.encode({ modelId })
        : LoadWeightsResponse.encode({ modelId, path: checkpointPath(plan.start.record) });
    return { type: "json", text };
  });
  models.add(model);
  session.models.set(plan.modelSeqId, { digest: request.digest, requestId, modelId });
  return { requestId, modelId };
}
