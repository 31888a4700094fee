import {
  CheckpointsListResponse,
  SetCheckpointTtlRequest,
  TinkerPath,
  TrainingRun,
  TrainingRunsResponse,
  WeightsInfoRequest,
  WeightsInfoResponse,
  type Checkpoint,
  type TinkerPathKind,
} from "@tinkex/protocol";
import type { Hono } from "hono";
import { ArchiveLinks } from "../checkpoints/archive-links.ts";
import { checkpointPath, type CheckpointRecord } from "../checkpoints/checkpoint-record.ts";
import { tar } from "../checkpoints/tar.ts";
import { HttpError } from "../http-error.ts";
import type { TrainingModel } from "../models.ts";
import { emptyReply, jsonReply, reply } from "../replies.ts";
import type { ServerContext } from "../server-context.ts";
import { queryCount, readJson } from "./request.ts";

/** Training runs and their checkpoints. */
export function runRoutes(app: Hono, context: ServerContext): void {
  const { models, sessions, checkpoints } = context;
  const archives = new ArchiveLinks(context.runtime);

  app.get("/api/v1/training_runs", ({ req }) => {
    const url = new URL(req.url);
    const project = url.searchParams.get("project_id");
    const live = new Map(sessions.list().map((session) => [session.id, session]));
    const runs = models.list().filter((model) => project === null || live.get(model.sessionId)?.projectId === project);
    const { page, cursor } = paged(url, runs, 20);
    return jsonReply(
      TrainingRunsResponse.encode({ trainingRuns: page.map((model) => trainingRun(context, model)), cursor }),
    );
  });

  app.get("/api/v1/training_runs/:run", ({ req }) =>
    jsonReply(TrainingRun.encode(trainingRun(context, models.find(req.param("run"))))),
  );

  app.get("/api/v1/training_runs/:run/checkpoints", ({ req }) =>
    jsonReply(CheckpointsListResponse.encode({ checkpoints: checkpoints.list(req.param("run")).map(checkpointView) })),
  );

  app.get("/api/v1/checkpoints", ({ req }) => {
    const { page, cursor } = paged(new URL(req.url), checkpoints.list(), 100);
    return jsonReply(CheckpointsListResponse.encode({ checkpoints: page.map(checkpointView), cursor }));
  });

  app.post("/api/v1/weights_info", async ({ req }) => {
    const { tinkerPath } = (await readJson(context, req.raw, WeightsInfoRequest)).value;
    const { trainingRunId, kind = "sampler_weights", name } = TinkerPath.parse(tinkerPath);
    const { spec } = checkpoints.get({ modelId: trainingRunId, kind, name });
    return jsonReply(
      WeightsInfoResponse.encode({
        baseModel: spec.baseModel,
        isLora: true,
        loraRank: spec.rank,
        trainUnembed: spec.trainUnembed,
        trainMlp: spec.trainMlp,
        trainAttn: spec.trainAttn,
      }),
    );
  });

  // A checkpoint's id has a slash, which clients send as it is or encoded, so these paths are taken apart by hand.
  const path = "/api/v1/training_runs/:run/checkpoints/*";

  app.delete(path, async ({ req }) => {
    const { record, action } = addressed(context, req.path);
    if (action === undefined) await checkpoints.delete(record);
    else if (action === "publish") await publish(record, false);
    else throw noAction("DELETE", action);
    return emptyReply();
  });

  app.post(path, async ({ req }) => {
    const { record, action } = addressed(context, req.path);
    if (action !== "publish") throw noAction("POST", action);
    await publish(record, true);
    return emptyReply();
  });

  app.put(path, async ({ req }) => {
    const { record, action } = addressed(context, req.path);
    if (action !== "ttl") throw noAction("PUT", action);
    const { ttlSeconds } = (await readJson(context, req.raw, SetCheckpointTtlRequest)).value;
    if (ttlSeconds !== null && ttlSeconds < 1) {
      throw new HttpError(400, `ttl_seconds must be at least 1, got ${ttlSeconds}; null keeps the checkpoint.`);
    }
    await checkpoints.setTtl(record, ttlSeconds);
    return emptyReply();
  });

  app.get(path, ({ req }) => {
    const { record, action } = addressed(context, req.path);
    if (action !== "archive") throw noAction("GET", action);
    const { token, expires } = archives.open(record);
    return reply("", "application/json", 302, {
      location: new URL(`/api/v1/archives/${token}`, req.url).href,
      expires: new Date(expires).toUTCString(),
    });
  });

  app.get("/api/v1/archives/:token", async ({ req }) => {
    const record = archives.get(req.param("token"));
    return reply(tar(await checkpoints.files(record), record.createdAt), "application/x-tar");
  });

  async function publish(record: CheckpointRecord, isPublic: boolean): Promise<void> {
    if (record.public === isPublic) {
      throw new HttpError(409, `${checkpointPath(record)} is ${isPublic ? "published already" : "not published"}.`);
    }
    await checkpoints.setPublic(record, isPublic);
  }
}

const kinds: readonly string[] = ["weights", "sampler_weights"] satisfies readonly TinkerPathKind[];

/** The checkpoint of `.../training_runs/<run>/checkpoints/<kind>/<name>[/<action>]`. */
function addressed(
  { checkpoints }: ServerContext,
  path: string,
): { readonly record: CheckpointRecord; readonly action: string | undefined } {
  const [, run = "", rest = ""] = /\/training_runs\/([^/]+)\/checkpoints\/(.+)$/.exec(path) ?? [];
  const [kind = "", name = "", action, ...more] = decoded(rest).split("/");
  if (!kinds.includes(kind) || name === "" || more.length > 0) {
    throw new HttpError(
      400,
      `${JSON.stringify(rest.slice(0, 100))} is not a checkpoint id: it is weights/<name> or sampler_weights/<name>.`,
    );
  }
  return { record: checkpoints.get({ modelId: decoded(run), kind: kind as TinkerPathKind, name }), action };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new HttpError(400, `The path has ${JSON.stringify(text.slice(0, 100))}, which is not percent-encoded text.`);
  }
}

const noAction = (method: string, action: string | undefined): HttpError =>
  new HttpError(404, `There is no ${method} .../checkpoints/<kind>/<name>${action === undefined ? "" : `/${action}`}.`);

function paged<T>(url: URL, all: readonly T[], defaultLimit: number) {
  const offset = queryCount(url, "offset", 0);
  const limit = queryCount(url, "limit", defaultLimit);
  return { page: all.slice(offset, offset + limit), cursor: { offset, limit, totalCount: all.length } };
}

function checkpointView(record: CheckpointRecord): Checkpoint {
  return {
    checkpointId: `${record.kind}/${record.name}`,
    checkpointType: record.kind === "weights" ? "training" : "sampler",
    time: new Date(record.createdAt),
    tinkerPath: checkpointPath(record),
    sizeBytes: record.sizeBytes,
    public: record.public,
    ...(record.expiresAt !== null && { expiresAt: new Date(record.expiresAt) }),
  };
}

function trainingRun({ checkpoints }: ServerContext, model: TrainingModel): TrainingRun {
  const last = checkpoints.latest(model.id, "weights");
  const lastSampler = checkpoints.latest(model.id, "sampler_weights");
  const metadata = model.userMetadata;
  return {
    trainingRunId: model.id,
    baseModel: model.spec.baseModel,
    modelOwner: "local",
    isLora: true,
    loraRank: model.spec.rank,
    lastRequestTime: new Date(model.lastRequestAt),
    corrupted: false,
    ...(last !== undefined && { lastCheckpoint: checkpointView(last) }),
    ...(lastSampler !== undefined && { lastSamplerCheckpoint: checkpointView(lastSampler) }),
    ...(metadata !== undefined && {
      userMetadata: Object.fromEntries(
        Object.entries(metadata).map(([key, value]) => [
          key,
          typeof value === "string" ? value : JSON.stringify(value),
        ]),
      ),
    }),
  };
}
