import { encodeSampleResponse, SampleRequest, UntypedAPIFuture } from "@tinkex/protocol";
import type { Hono } from "hono";
import { sampleResponse, sampleWork } from "../engine-work.ts";
import { HttpError } from "../http-error.ts";
import { jsonReply } from "../replies.ts";
import { baseModel, type ServerContext } from "../server-context.ts";
import { submitSample } from "../submissions.ts";
import { digestWithout, readJson } from "./request.ts";

/** Sampling. A full queue is answered with 429, which clients take as a request to slow down. */
export function samplingRoutes(app: Hono, context: ServerContext): void {
  const { engine, samplers, limits } = context;

  app.post("/api/v1/asample", async ({ req }) => {
    const { value, bytes } = await readJson(context, req.raw, SampleRequest);
    const sampler = value.samplingSessionId === undefined ? undefined : samplers.get(value.samplingSessionId);
    if (value.modelPath !== undefined || (sampler === undefined) === (value.baseModel === undefined)) {
      throw new HttpError(
        400,
        "A sample needs either sampling_session_id or base_model; open a sampling session for a model_path.",
      );
    }
    const base = baseModel(context, sampler?.baseModel ?? value.baseModel ?? "");
    const work = sampleWork(value, sampler?.weights ?? { baseModel: base.name }, base, limits.requestTokens);
    const seqId = value.seqId === undefined ? undefined : BigInt(value.seqId);
    const submission = { kind: "Sample", seqId, digest: digestWithout(value, "seqId"), bytes } as const;
    const requestId = submitSample(context, sampler, submission, async (signal) => {
      const result = sampleResponse(work, await engine.sample(work, signal));
      return { type: "protobuf", message: "Sample", bytes: encodeSampleResponse(result) };
    });
    return jsonReply(UntypedAPIFuture.encode({ requestId }));
  });
}
