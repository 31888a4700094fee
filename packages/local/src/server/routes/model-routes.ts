import {
  CreateModelRequest,
  GetInfoRequest,
  GetInfoResponse,
  UnloadModelRequest,
  UnloadModelResponse,
  UntypedAPIFuture,
} from "@tinkex/protocol";
import type { Hono } from "hono";
import { HttpError } from "../http-error.ts";
import { createModel, findCreated } from "../model-creation.ts";
import { random } from "../runtime.ts";
import { jsonReply } from "../replies.ts";
import { baseModel, type ServerContext } from "../server-context.ts";
import { digestWithout, readJson } from "./request.ts";
import { submitOperation } from "../submissions.ts";

const largestRank = 1024;

/** Creating, describing and unloading models. */
export function modelRoutes(app: Hono, context: ServerContext): void {
  const { sessions, models, runtime } = context;

  app.post("/api/v1/create_model", async ({ req }) => {
    const { value, bytes } = await readJson(context, req.raw, CreateModelRequest);
    const session = sessions.get(value.sessionId);
    const digest = digestWithout(value);
    const modelId = `${session.id}:train:${value.modelSeqId}`;
    const known = findCreated(session, value.modelSeqId, digest);
    if (known !== undefined) return jsonReply(UntypedAPIFuture.encode({ requestId: known, modelId }));
    const { rank, seed, trainAttn, trainMlp, trainUnembed } = value.loraConfig;
    if (rank < 1 || rank > largestRank)
      throw new HttpError(400, `lora_config.rank must be 1 to ${largestRank}, got ${rank}.`);
    if (!trainAttn && !trainMlp && !trainUnembed) {
      throw new HttpError(400, "lora_config trains nothing: set at least one of train_attn, train_mlp, train_unembed.");
    }
    const spec = {
      baseModel: baseModel(context, value.baseModel).name,
      rank,
      seed: seed ?? Math.floor(random(runtime) * 2 ** 31),
      trainAttn,
      trainMlp,
      trainUnembed,
    };
    const plan = { modelSeqId: value.modelSeqId, spec, userMetadata: value.userMetadata };
    return jsonReply(UntypedAPIFuture.encode(createModel(context, session, plan, { digest, bytes })));
  });

  app.post("/api/v1/get_info", async ({ req }) => {
    const { value } = await readJson(context, req.raw, GetInfoRequest);
    const { id, spec } = models.get(value.modelId);
    const { tokenizerFolder } = baseModel(context, spec.baseModel);
    return jsonReply(
      GetInfoResponse.encode({
        modelId: id,
        modelData: {
          arch: "decoder",
          modelName: spec.baseModel,
          tokenizerId: tokenizerIdOf(spec.baseModel, tokenizerFolder),
        },
        modelName: spec.baseModel,
        isLora: true,
        loraRank: spec.rank,
      }),
    );
  });

  app.post("/api/v1/unload_model", async ({ req }) => {
    const { value, bytes } = await readJson(context, req.raw, UnloadModelRequest);
    const { unloading } = models.find(value.modelId);
    if (unloading !== undefined)
      return jsonReply(UntypedAPIFuture.encode({ requestId: unloading, modelId: value.modelId }));
    const model = models.get(value.modelId);
    const submission = { kind: "UnloadModel", seqId: undefined, digest: "", bytes } as const;
    const requestId = submitOperation(context, model, submission, async () => {
      await models.drop(model);
      // Not awaited: ending waits for the running operation, which is this one.
      void models.end(model, model.ended ?? "").catch(() => {});
      return { type: "json", text: UnloadModelResponse.encode({ modelId: model.id }) };
    });
    model.unloading = requestId;
    model.ended = `Model ${model.id} was unloaded. Its checkpoints remain: load one into a new model.`;
    return jsonReply(UntypedAPIFuture.encode({ requestId, modelId: model.id }));
  });
}

/**
 * The folder that the tokenizer lies in: clients of this server are on this machine, and ours read it from there. Clients
 * cut an id at its first colon, so a folder with one (a drive letter) cannot be told, and the model's name must do.
 */
function tokenizerIdOf(modelName: string, folder: string): string {
  return folder === "" || folder.includes(":") ? modelName : folder;
}
