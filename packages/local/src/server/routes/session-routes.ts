import {
  AssignSessionProjectRequest,
  CreateSamplingSessionRequest,
  CreateSamplingSessionResponse,
  CreateSessionRequest,
  CreateSessionResponse,
  GetSamplerResponse,
  GetSessionResponse,
  ListSessionsResponse,
  SessionHeartbeatRequest,
  SessionHeartbeatResponse,
} from "@tinkex/protocol";
import type { Hono } from "hono";
import { HttpError } from "../http-error.ts";
import { emptyReply, jsonReply } from "../replies.ts";
import { openSampler } from "../sampling-sessions.ts";
import type { ServerContext } from "../server-context.ts";
import { digestWithout, queryCount, readJson } from "./request.ts";

/** Sessions, and the sampling sessions in them. */
export function sessionRoutes(app: Hono, context: ServerContext): void {
  const { sessions, samplers, models } = context;

  app.post("/api/v1/create_session", async ({ req }) => {
    const { value } = await readJson(context, req.raw, CreateSessionRequest);
    const session = sessions.create(value, req.header("x-idempotency-key"));
    return jsonReply(CreateSessionResponse.encode({ sessionId: session.id }));
  });

  app.post("/api/v1/session_heartbeat", async ({ req }) => {
    const { value } = await readJson(context, req.raw, SessionHeartbeatRequest);
    sessions.beat(value.sessionId);
    return jsonReply(SessionHeartbeatResponse.encode({}));
  });

  app.post("/api/v1/create_sampling_session", async ({ req }) => {
    const { value } = await readJson(context, req.raw, CreateSamplingSessionRequest);
    const session = sessions.get(value.sessionId);
    const digest = digestWithout(value);
    const known = session.samplers.get(value.samplingSessionSeqId);
    if (known !== undefined && known.digest !== digest) {
      throw new HttpError(
        409,
        `sampling_session_seq_id ${value.samplingSessionSeqId} of ${session.id} was already used for another sampling session.`,
      );
    }
    const id = known?.id ?? openSampler(context, session, value);
    if (known === undefined) {
      session.samplers.set(value.samplingSessionSeqId, { digest, id });
      // A failure is not remembered: the next try may find the checkpoint.
      id.catch(() => session.samplers.delete(value.samplingSessionSeqId));
    }
    return jsonReply(CreateSamplingSessionResponse.encode({ samplingSessionId: await id }));
  });

  app.get("/api/v1/samplers/:id", ({ req }) => {
    const { id, baseModel: base, modelPath } = samplers.get(req.param("id"));
    return jsonReply(
      GetSamplerResponse.encode({ samplerId: id, baseModel: base, ...(modelPath !== undefined && { modelPath }) }),
    );
  });

  app.get("/api/v1/sessions", ({ req }) => {
    const url = new URL(req.url);
    const from = queryCount(url, "offset", 0);
    const ids = sessions.list().map((session) => session.id);
    return jsonReply(ListSessionsResponse.encode({ sessions: ids.slice(from, from + queryCount(url, "limit", 20)) }));
  });

  app.get("/api/v1/sessions/:id", ({ req }) => {
    const { id } = sessions.get(req.param("id"));
    const runs = models.list().filter((model) => model.sessionId === id);
    return jsonReply(
      GetSessionResponse.encode({
        trainingRunIds: runs.map((model) => model.id).toReversed(),
        samplerIds: samplers.list(id).map((sampler) => sampler.id),
      }),
    );
  });

  app.put("/api/v1/sessions/:id/project", async ({ req }) => {
    const { value } = await readJson(context, req.raw, AssignSessionProjectRequest);
    sessions.get(req.param("id")).projectId = value.projectId;
    return emptyReply();
  });
}
