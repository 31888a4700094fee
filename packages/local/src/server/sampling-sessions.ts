import { TinkerPath, type CreateSamplingSessionRequest } from "@tinkex/protocol";
import { HttpError } from "./http-error.ts";
import type { Sampler } from "./samplers.ts";
import { baseModel, type ServerContext } from "./server-context.ts";
import { forgetOldest, type Session } from "./sessions.ts";
import type { TrainingModel } from "./models.ts";

/** Numbers of a session's samplers remembered: a training loop uses a new one for every step. */
const keptNumbers = 4096;

/** Opens a sampling session on a base model or a checkpoint, and returns its id. Throws 400 or 404 with the reason. */
export async function openSampler(
  context: ServerContext,
  session: Session,
  request: CreateSamplingSessionRequest,
): Promise<string> {
  const { samplers, checkpoints } = context;
  const id = `${session.id}:sample:${request.samplingSessionSeqId}`;
  if ((request.baseModel === undefined) === (request.modelPath === undefined)) {
    throw new HttpError(400, "A sampling session needs either base_model or model_path, and not both.");
  }
  if (request.baseModel !== undefined) {
    return samplers.openBase(id, session.id, baseModel(context, request.baseModel).name).id;
  }
  const path = TinkerPath.parse(request.modelPath ?? "");
  if (path.kind === "weights") {
    throw new HttpError(
      400,
      `${request.modelPath} is a training checkpoint. Sample from sampler weights: save_weights_for_sampler makes them.`,
    );
  }
  const record = checkpoints.get({ modelId: path.trainingRunId, kind: "sampler_weights", name: path.name });
  return await unlessEnded(context, session, samplers.openCheckpoint(id, session.id, record));
}

/** Opens a sampling session on a model's present weights, as an unnamed save asks for, and returns its id. */
export async function openUnnamed(context: ServerContext, model: TrainingModel, number: number): Promise<string> {
  const session = context.sessions.get(model.sessionId);
  const id = `${session.id}:sample:${number}`;
  if (session.samplers.has(number)) {
    throw new HttpError(400, `sampling_session_seq_id ${number} of ${session.id} was already used.`);
  }
  const source = { id: model.id, baseModel: model.spec.baseModel };
  const opened = unlessEnded(context, session, context.samplers.openModel(id, session.id, source));
  session.samplers.set(number, { digest: `unnamed save of ${model.id}`, id: opened });
  forgetOldest(session.samplers, keptNumbers);
  try {
    return await opened;
  } catch (error) {
    session.samplers.delete(number);
    throw error;
  }
}

/** A session may end while its sampler is being opened; then the sampler must end too. */
async function unlessEnded(context: ServerContext, session: Session, opening: Promise<Sampler>): Promise<string> {
  const { id } = await opening;
  try {
    context.sessions.get(session.id);
  } catch (ended) {
    context.samplers.endSession(session.id);
    throw ended;
  }
  return id;
}
