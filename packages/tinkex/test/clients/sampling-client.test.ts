import { getEventListeners } from "node:events";
import { encodeSampleResponse } from "@tinkex/protocol";
import { test } from "vitest";
import { ModelInput } from "../../src/index.ts";
import type { SamplingClient } from "../../src/index.ts";
import { connect } from "../support/connect.ts";
import type { Connected } from "../support/connect.ts";
import { ScriptedServer, failure, json } from "../support/scripted-server.ts";
import type { SeenRequest } from "../support/scripted-server.ts";
import { gate, isPending, settle } from "../support/virtual-runtime.ts";

const prompt = ModelInput.fromInts([5, 6]);
const accepted = ({ body }: SeenRequest): Response => json({ request_id: `sample-${String(body?.["seq_id"])}` });

/** The sampled token is the request's number, so that results can be told apart. */
const sampled = ({ body }: SeenRequest): Response => {
  const token = Number(String(body?.["request_id"]).split("-")[1]);
  const bytes = encodeSampleResponse({
    sequences: [{ tokens: Int32Array.of(token), logprobs: Float32Array.of(-1), stopReason: "length" }],
    promptLogprobs: Float32Array.of(Number.NaN, -0.25),
    promptCacheHitTokens: 0,
  });
  return new Response(bytes, { headers: { "content-type": "application/x-protobuf" } });
};

function samplingServer(): ScriptedServer {
  return new ScriptedServer()
    .withSession()
    .on("/api/v1/create_sampling_session", () => json({ sampling_session_id: "session:sample:0" }))
    .on("/api/v1/asample", accepted)
    .on("/api/v1/retrieve_future", sampled);
}

async function open(server: ScriptedServer): Promise<Connected & { sampling: SamplingClient }> {
  const connected = connect(server);
  const sampling = await connected.runtime.run(connected.service.createSamplingClient({ baseModel: "base" }));
  return { ...connected, sampling };
}

const posts = (server: ScriptedServer): readonly SeenRequest[] => server.requests("/api/v1/asample");
const seqIds = (server: ScriptedServer): readonly unknown[] => posts(server).map(({ body }) => body?.["seq_id"]);

test("a hundred samples in one tick are numbered in call order, and each gets its own result", async ({ expect }) => {
  const server = samplingServer();
  const { service, runtime, sampling } = await open(server);
  const results = await runtime.run(Promise.all(Array.from({ length: 100 }, () => sampling.sample({ prompt }))));
  expect(seqIds(server)).toEqual(Array.from({ length: 100 }, (_, index) => index));
  expect(results.map(({ sequences }) => sequences[0]?.tokens[0])).toEqual(
    Array.from({ length: 100 }, (_, index) => index),
  );
  await service.close();
});

test("the request says what was asked for, with Tinker's defaults", async ({ expect }) => {
  const server = samplingServer();
  const { service, runtime, sampling } = await open(server);
  await runtime.run(sampling.sample({ prompt, numSamples: 2, samplingParams: { maxTokens: 3, stop: ["x"], seed: 7 } }));
  expect(posts(server)[0]?.body).toEqual({
    num_samples: 2,
    prompt: { chunks: [{ tokens: [5, 6], type: "encoded_text" }] },
    sampling_params: { max_tokens: 3, seed: 7, stop: ["x"], temperature: 1, top_k: -1, top_p: 1 },
    sampling_session_id: "session:sample:0",
    seq_id: 0,
    prompt_logprobs: false,
    topk_prompt_logprobs: 0,
    type: "sample",
  });
  await service.close();
});

test("log probabilities of a prompt have no value for the first token", async ({ expect }) => {
  const { service, runtime, sampling } = await open(samplingServer());
  expect(await runtime.run(sampling.computeLogprobs(prompt))).toEqual([null, -0.25]);
  await service.close();
});

test("a 429 resends the same submission when the server allows it", async ({ expect }) => {
  const server = samplingServer().on("/api/v1/asample", (request, count) =>
    count === 0 ? failure(429, { "retry-after": "3" }) : accepted(request),
  );
  const { service, runtime, sampling } = await open(server);
  await runtime.run(sampling.sample({ prompt }));
  const [first, second] = posts(server);
  expect((second?.at ?? 0) - (first?.at ?? 0)).toBe(3000);
  expect(seqIds(server)).toEqual([0, 0]);
  expect(second?.headers.get("x-idempotency-key")).toBe(first?.headers.get("x-idempotency-key"));
  await service.close();
});

test("a success that was in flight does not open the gate that a 429 has shut", async ({ expect }) => {
  const slow = gate<Response>();
  const server = samplingServer().on("/api/v1/asample", (request, count) => {
    if (count === 0) return slow.promise;
    return count === 1 ? failure(429, { "retry-after": "5" }) : accepted(request);
  });
  const { service, runtime, sampling } = await open(server);
  const inFlight = sampling.sample({ prompt });
  await settle();
  const refused = sampling.sample({ prompt });
  await settle();
  slow.resolve(json({ request_id: "sample-0" }));
  await settle();
  const third = sampling.sample({ prompt });
  await runtime.advance(4999);
  expect(posts(server)).toHaveLength(2);
  expect([third.state, third.pauseReason]).toEqual(["paused", "rate limited"]);
  await runtime.run(Promise.all([inFlight, refused, third]));
  expect(posts(server)).toHaveLength(4);
  await service.close();
});

test("clients of one key on one server are slowed by each other's 429; those of another key are not", async ({
  expect,
}) => {
  const server = samplingServer().on("/api/v1/asample", (request, count) =>
    count === 0 ? failure(429, { "retry-after": "5" }) : accepted(request),
  );
  const one = await open(server);
  const options = { runtime: one.runtime };
  const same = connect(server, options).service;
  const other = connect(server, { ...options, apiKey: "tml-other" }).service;
  const [sameSampling, otherSampling] = await one.runtime.run(
    Promise.all([same.createSamplingClient({ baseModel: "base" }), other.createSamplingClient({ baseModel: "base" })]),
  );
  const refused = one.sampling.sample({ prompt });
  await settle();
  const slowed = sameSampling.sample({ prompt });
  const free = otherSampling.sample({ prompt });
  await settle();
  expect(posts(server).map(({ headers }) => headers.get("x-api-key"))).toEqual(["tml-secret-key", "tml-other"]);
  expect(await isPending(slowed)).toBe(true);
  await one.runtime.run(Promise.all([refused, slowed, free]));
  await Promise.all([one.service.close(), same.close(), other.close()]);
});

test("a permit is held for the submission only, not until the result is there", async ({ expect }) => {
  const server = samplingServer().on("/api/v1/retrieve_future", () => new Promise<never>(() => undefined));
  const { service, sampling } = await open(server);
  const samples = Array.from({ length: 500 }, () => sampling.sample({ prompt }));
  await settle();
  await settle();
  expect(posts(server)).toHaveLength(500);
  await service.destroy();
  const outcomes = await Promise.allSettled(samples);
  expect(outcomes.every(({ status }) => status === "rejected")).toBe(true);
});

test("no more than 400 submissions are under way, and the rest go in order", async ({ expect }) => {
  const waiting: PromiseWithResolvers<Response>[] = [];
  const server = samplingServer().on("/api/v1/asample", () => {
    const answer = gate<Response>();
    waiting.push(answer);
    return answer.promise;
  });
  const { service, runtime, sampling } = await open(server);
  const samples = Array.from({ length: 405 }, () => sampling.sample({ prompt }));
  await settle();
  expect(waiting).toHaveLength(400);
  waiting[7]?.resolve(json({ request_id: "sample-7" }));
  await settle();
  expect(seqIds(server).at(-1)).toBe(400);
  for (let index = 0; index < 405; index++) {
    waiting[index]?.resolve(json({ request_id: `sample-${index}` }));
    await settle();
  }
  await runtime.run(Promise.all(samples));
  expect(seqIds(server)).toEqual(Array.from({ length: 405 }, (_, index) => index));
  await service.close();
});

test("an expired result is asked for anew, as new work", async ({ expect }) => {
  const server = samplingServer().on("/api/v1/retrieve_future", (request, count) =>
    count < 2 ? failure(410) : sampled(request),
  );
  const { service, runtime, sampling } = await open(server);
  await runtime.run(sampling.sample({ prompt }));
  expect(seqIds(server)).toEqual([0, 1, 2]);
  await service.close();
});

test("a refusal reaches the caller at once", async ({ expect }) => {
  const server = samplingServer().on("/api/v1/asample", () => failure(400));
  const { service, runtime, sampling } = await open(server);
  await expect(runtime.run(sampling.sample({ prompt }))).rejects.toThrow("scripted 400");
  expect(posts(server)).toHaveLength(1);
  await service.close();
});

test("closing one sampler leaves the service and its other samplers open", async ({ expect }) => {
  const server = samplingServer();
  const { service, runtime, sampling } = await open(server);
  const other = await runtime.run(service.createSamplingClient({ baseModel: "base" }));
  await sampling.close();
  await expect(sampling.sample({ prompt })).rejects.toThrow("closed");
  await runtime.run(other.sample({ prompt }));
  await runtime.advance(10_000);
  expect(server.requests("/api/v1/session_heartbeat")).toHaveLength(1);
  await service.close();
});

test("a signal that many calls were given keeps no listener of those that ended", async ({ expect }) => {
  const { service, runtime, sampling } = await open(samplingServer());
  const { signal } = new AbortController();
  await runtime.run(Promise.all(Array.from({ length: 20 }, () => sampling.sample({ prompt }, { signal }))));
  expect(getEventListeners(signal, "abort")).toHaveLength(0);
  await service.close();
});

test("a thousand aborted samples leave nothing behind", async ({ expect }) => {
  const server = samplingServer().on("/api/v1/asample", () => new Promise<never>(() => undefined));
  const { service, runtime, sampling } = await open(server);
  const controller = new AbortController();
  const samples = Array.from({ length: 1000 }, () => sampling.sample({ prompt }, { signal: controller.signal }));
  await settle();
  controller.abort("enough");
  const outcomes = await Promise.allSettled(samples);
  expect(outcomes.every((outcome) => outcome.status === "rejected" && outcome.reason === "enough")).toBe(true);
  expect(service.inFlight()).toEqual([]);
  await service.close();
  expect(runtime.pendingTimers).toBe(0);
});
