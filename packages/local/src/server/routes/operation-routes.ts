import type { Hono } from "hono";
import {
  decodeForwardBackwardRequest,
  encodeForwardBackwardOutput,
  ForwardBackwardRequest,
  LoadWeightsRequest,
  LoadWeightsResponse,
  OptimStepRequest,
  OptimStepResponse,
  ProtocolError,
  SaveWeightsForSamplerRequest,
  SaveWeightsForSamplerResponse,
  SaveWeightsRequest,
  SaveWeightsResponse,
  TinkerPath,
  UntypedAPIFuture,
  type CreateFromWeightsRequest,
  type LoadIntoModelRequest,
} from "@tinkex/protocol";
import { checkName, checkpointPath, type CheckpointRecord } from "../checkpoints/checkpoint-record.ts";
import { checkAdam, forwardBackwardOutput, trainingPass } from "../engine-work.ts";
import type { FutureKind, Outcome } from "../futures.ts";
import { HttpError } from "../http-error.ts";
import { createModel, findCreated } from "../model-creation.ts";
import type { TrainingModel } from "../models.ts";
import { jsonReply } from "../replies.ts";
import { BodyTooLarge, readBody } from "../request-body.ts";
import { openUnnamed } from "../sampling-sessions.ts";
import { baseModel, type ServerContext } from "../server-context.ts";
import { submitOperation } from "../submissions.ts";
import { peekSequence } from "./peek-sequence.ts";
import { digestWithout } from "./request.ts";

type Work = () => Promise<Outcome>;

/** One kind of training operation. */
interface OperationRoute<T> {
  readonly kind: FutureKind;
  readonly decode: (body: Uint8Array, contentType: string) => T;
  /** Fields that may differ when the same operation is sent again. */
  readonly varying?: readonly (keyof T)[];
  /** The work, or a 400 for what could never run. */
  readonly prepare: (value: T, model: TrainingModel) => Work;
}

/** The operations on a model that take effect in `seq_id` order. */
export function operationRoutes(app: Hono, context: ServerContext): void {
  const pass = submitter(context, forwardBackward(context));
  const routes = {
    forward_backward: pass,
    // Python SDKs up to 0.24.1 have a route of its own for this.
    forward: pass,
    optim_step: submitter(context, optimStep(context)),
    save_weights: submitter(context, saveWeights(context)),
    save_weights_for_sampler: submitter(context, saveWeightsForSampler(context)),
  };
  for (const [name, submit] of Object.entries(routes)) {
    app.post(`/api/v1/${name}`, async ({ req }) => submit(await bodyOf(context, req.raw), req.raw));
  }

  const loadInto = submitter(context, loadWeights(context));
  app.post("/api/v1/load_weights", async ({ req }) => {
    const body = await bodyOf(context, req.raw);
    const request = usingUpNumber(context, body, "", () => LoadWeightsRequest.decode(body));
    return "modelId" in request ? loadInto(body, req.raw) : createFromWeights(context, request, body.byteLength);
  });
}

function submitter<T extends { readonly modelId: string; readonly seqId: number }>(
  context: ServerContext,
  { kind, decode, varying = [], prepare }: OperationRoute<T>,
): (body: Uint8Array, request: Request) => Response {
  return (body, request) => {
    const contentType = request.headers.get("content-type") ?? "";
    return usingUpNumber(context, body, contentType, () => {
      const value = decode(body, contentType);
      const model = context.models.get(value.modelId);
      const work = prepare(value, model);
      const seqId = value.seqId === 0 ? undefined : BigInt(value.seqId);
      const digest = digestWithout({ ...value, kind }, "seqId", ...varying);
      const submission = { kind, seqId, digest, bytes: body.byteLength };
      const requestId = submitOperation(context, model, submission, work);
      return jsonReply(UntypedAPIFuture.encode({ requestId, modelId: model.id }));
    });
  };
}

async function bodyOf(context: ServerContext, request: Request): Promise<Uint8Array> {
  try {
    return await readBody(request, context.limits.bodyBytes);
  } catch (error) {
    if (!(error instanceof BodyTooLarge)) throw error;
    return usingUpNumber(context, error.prefix, request.headers.get("content-type") ?? "", () => {
      throw error;
    });
  }
}

/**
 * Handles a submission. When the answer is a final refusal its number is used up all the same: the client will not send
 * it again, and the operations behind it must not wait for it.
 */
function usingUpNumber<T>(context: ServerContext, body: Uint8Array, contentType: string, handle: () => T): T {
  try {
    return handle();
  } catch (error) {
    if (ProtocolError.isInstance(error) || (error instanceof HttpError && error.final)) {
      const { modelId, seqId } = peekSequence(body, contentType);
      if (seqId !== undefined) context.models.queueOf(modelId)?.consume(seqId);
    }
    throw error;
  }
}

const json = (text: string): Outcome => ({ type: "json", text });

const forwardBackward = ({ engine, limits }: ServerContext): OperationRoute<ForwardBackwardRequest> => ({
  kind: "ForwardBackward",
  decode: (body, contentType) =>
    contentType.includes("x-protobuf") ? decodeForwardBackwardRequest(body) : ForwardBackwardRequest.decode(body),
  prepare: (request, model) => {
    const pass = trainingPass(request, limits.requestTokens);
    return async () => {
      const output = forwardBackwardOutput(await engine.forwardBackward(model.id, pass));
      return { type: "protobuf", message: "ForwardBackward", bytes: encodeForwardBackwardOutput(output) };
    };
  },
});

const optimStep = ({ engine }: ServerContext): OperationRoute<OptimStepRequest> => ({
  kind: "OptimStep",
  decode: (body) => OptimStepRequest.decode(body),
  prepare: (request, model) => {
    const adam = checkAdam(request.adamParams);
    return async () => {
      const metrics = Object.entries(await engine.optimStep(model.id, adam));
      // JSON has no NaN: a metric that is not a number is left out.
      return json(
        OptimStepResponse.encode({
          metrics: Object.fromEntries(metrics.filter(([, value]) => Number.isFinite(value))),
        }),
      );
    };
  },
});

const saveWeights = ({ engine, checkpoints }: ServerContext): OperationRoute<SaveWeightsRequest> => ({
  kind: "SaveWeights",
  decode: (body) => SaveWeightsRequest.decode(body),
  prepare: (request, model) => {
    const address = { modelId: model.id, kind: "weights", name: checkName(request.path) } as const;
    const options = { overwrite: request.overwrite, ttlSeconds: checkTtl(request.ttlSeconds) };
    return async () => {
      const state = await engine.exportState(model.id, { optimizer: true });
      const record = await checkpoints.save(address, state, options);
      return json(SaveWeightsResponse.encode({ path: checkpointPath(record) }));
    };
  },
});

const saveWeightsForSampler = (context: ServerContext): OperationRoute<SaveWeightsForSamplerRequest> => ({
  kind: "SaveWeightsForSampler",
  decode: (body) => SaveWeightsForSamplerRequest.decode(body),
  // The Python SDK takes a new one for each try to send the same unnamed save.
  varying: ["samplingSessionSeqId"],
  prepare: (request, model) => {
    const ttlSeconds = checkTtl(request.ttlSeconds);
    if (request.path !== undefined) {
      const address = { modelId: model.id, kind: "sampler_weights", name: checkName(request.path) } as const;
      return async () => {
        const state = await context.engine.exportState(model.id, { optimizer: false });
        const record = await context.checkpoints.save(address, state, { overwrite: false, ttlSeconds });
        return json(SaveWeightsForSamplerResponse.encode({ path: checkpointPath(record) }));
      };
    }
    const number = request.samplingSessionSeqId;
    if (number === undefined) {
      throw new HttpError(
        400,
        "Give the sampler weights a name (path), or a sampling_session_seq_id for an unnamed save.",
      );
    }
    return async () => {
      const id = await openUnnamed(context, model, number);
      return json(SaveWeightsForSamplerResponse.encode({ samplingSessionId: id }));
    };
  },
});

const loadWeights = ({ engine, checkpoints }: ServerContext): OperationRoute<LoadIntoModelRequest> => ({
  kind: "LoadWeights",
  decode: (body) => LoadWeightsRequest.decode(body) as LoadIntoModelRequest,
  prepare: (request, model) => {
    const address = trainingCheckpoint(request.path);
    return async () => {
      // Looked up when its turn has come: the save may be on its way before it.
      const record = checkpoints.get(address);
      checkFits(record, model);
      await engine.importState(model.id, await checkpoints.load(record, request));
      return json(LoadWeightsResponse.encode({ path: checkpointPath(record), modelId: model.id }));
    };
  },
});

function createFromWeights(context: ServerContext, request: CreateFromWeightsRequest, bytes: number): Response {
  const session = context.sessions.get(request.sessionId);
  const digest = digestWithout(request);
  const modelId = `${session.id}:train:${request.modelSeqId}`;
  const known = findCreated(session, request.modelSeqId, digest);
  if (known !== undefined) return jsonReply(UntypedAPIFuture.encode({ requestId: known, modelId }));
  const record = context.checkpoints.get(trainingCheckpoint(request.path));
  const { name } = baseModel(context, record.spec.baseModel);
  if (request.baseModel !== undefined && request.baseModel !== name) {
    throw new HttpError(400, `${request.path} was trained on ${name} and does not fit ${request.baseModel}.`);
  }
  const { modelSeqId, userMetadata, optimizer } = request;
  const plan = { modelSeqId, spec: record.spec, userMetadata, start: { record, optimizer } };
  return jsonReply(UntypedAPIFuture.encode(createModel(context, session, plan, { digest, bytes })));
}

function trainingCheckpoint(path: string): { modelId: string; kind: "weights"; name: string } {
  const { trainingRunId, kind, name } = TinkerPath.parse(path);
  if (kind === "weights") return { modelId: trainingRunId, kind, name };
  throw new HttpError(
    400,
    `${path} holds sampler weights, which cannot be trained on. Load one that save_weights made.`,
  );
}

function checkFits(record: CheckpointRecord, model: TrainingModel): void {
  for (const field of ["baseModel", "rank", "trainAttn", "trainMlp", "trainUnembed"] as const) {
    if (record.spec[field] === model.spec[field]) continue;
    throw new HttpError(
      400,
      `${checkpointPath(record)} has ${field} ${record.spec[field]}, but ${model.id} has ${model.spec[field]}. Create the model with the checkpoint's settings.`,
    );
  }
}

function checkTtl(ttlSeconds: number | undefined): number | undefined {
  if (ttlSeconds === undefined || ttlSeconds > 0) return ttlSeconds;
  throw new HttpError(400, `ttl_seconds must be at least 1, got ${ttlSeconds}; leave it out to keep the checkpoint.`);
}
