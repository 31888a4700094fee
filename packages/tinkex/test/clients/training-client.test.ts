import { decodeForwardBackwardRequest, encodeForwardBackwardOutput } from "@tinkex/protocol";
import { test } from "vitest";
import { Datum, DeadlineError, InvalidRequestError, ModelInput, TinkerError } from "../../src/index.ts";
import type { TrainingClient } from "../../src/index.ts";
import { connect } from "../support/connect.ts";
import type { Connected } from "../support/connect.ts";
import { ScriptedServer, failure, json } from "../support/scripted-server.ts";
import type { SeenRequest } from "../support/scripted-server.ts";
import { gate, isPending, settle } from "../support/virtual-runtime.ts";

const datum = Datum.from({
  modelInput: ModelInput.fromInts([1, 2, 3]),
  lossFnInputs: { target_tokens: [2, 3, 4], weights: [1, 1, 1] },
});

const passResult = (): Response => {
  const body = encodeForwardBackwardOutput({ lossFnOutputType: "t", lossFnOutputs: [], metrics: { "loss:sum": 1 } });
  return new Response(body, { headers: { "content-type": "application/x-protobuf" } });
};

/** A server that accepts every training operation, and answers each future by what was asked for. */
function trainingServer(): ScriptedServer {
  const server = new ScriptedServer().withModel();
  const accept = (kind: string) => (_: SeenRequest, count: number) => json({ request_id: `${kind}-${count}` });
  for (const [path, kind] of [
    ["forward_backward", "pass"],
    ["optim_step", "step"],
    ["save_weights", "save"],
    ["save_weights_for_sampler", "sampler"],
  ] as const) {
    server.on(`/api/v1/${path}`, accept(kind));
  }
  return server.on("/api/v1/retrieve_future", ({ body }) => {
    const id = String(body?.["request_id"]);
    if (id === "create") return json({ model_id: "session:train:0" });
    if (id.startsWith("pass")) return passResult();
    if (id.startsWith("save")) return json({ path: "tinker://session:train:0/weights/x" });
    if (id.startsWith("sampler")) return json({ sampling_session_id: id });
    return json({ metrics: { "lr:mean": 1 } });
  });
}

async function train(server: ScriptedServer, options = {}): Promise<Connected & { training: TrainingClient }> {
  const connected = connect(server, options);
  const training = await connected.runtime.run(connected.service.createLoraTrainingClient({ baseModel: "base" }));
  return { ...connected, training };
}

const seqIdOf = ({ path, body, bytes }: SeenRequest): unknown =>
  path.endsWith("forward_backward") ? decodeForwardBackwardRequest(bytes).seqId : body?.["seq_id"];

/** `[operation, seq_id]` of everything that changes the model, in order of arrival. */
const effects = (server: ScriptedServer): readonly (readonly [string, unknown])[] =>
  server.log
    .filter(({ path }) => /forward_backward|optim_step|_weights/.test(path))
    .map((request) => [request.path.replace("/api/v1/", ""), seqIdOf(request)] as const);

test("pipelined operations arrive in call order, numbered from 1 without gaps", async ({ expect }) => {
  const server = trainingServer();
  const { service, runtime, training } = await train(server);
  const futures = [
    training.forwardBackward([datum], "cross_entropy"),
    training.optimStep({ learningRate: 1e-3 }),
    training.forwardBackward([datum], "cross_entropy"),
    training.saveState("x"),
  ];
  await runtime.run(Promise.all(futures));
  expect(effects(server)).toEqual([
    ["forward_backward", 1],
    ["optim_step", 2],
    ["forward_backward", 3],
    ["save_weights", 4],
  ]);
  await service.close();
});

test("an operation is not sent before the one ahead of it was accepted, nor does it wait for its result", async ({
  expect,
}) => {
  const accepted = gate<Response>();
  const unfinished = new Promise<never>(() => undefined);
  const server = trainingServer().on("/api/v1/forward_backward", () => accepted.promise);
  const { service, training } = await train(server);
  server.on("/api/v1/retrieve_future", () => unfinished);
  const pass = training.forwardBackward([datum], "cross_entropy");
  const step = training.optimStep();
  await settle();
  expect(effects(server)).toEqual([["forward_backward", 1]]);
  accepted.resolve(json({ request_id: "pass-0" }));
  await settle();
  expect(effects(server)).toEqual([
    ["forward_backward", 1],
    ["optim_step", 2],
  ]);
  expect([pass.state, pass.requestId]).toEqual(["submitted", "pass-0"]);
  await service.destroy();
  await expect(pass).rejects.toThrow("closed");
  await expect(step).rejects.toThrow("closed");
});

test("a refused operation does not stop the next, and its number is not used again", async ({ expect }) => {
  const server = trainingServer().on("/api/v1/forward_backward", () => failure(422));
  const { service, runtime, training } = await train(server);
  const pass = training.forwardBackward([datum], "cross_entropy");
  const step = training.optimStep();
  await expect(runtime.run(pass)).rejects.toThrow("422");
  await runtime.run(step);
  expect(effects(server)).toEqual([
    ["forward_backward", 1],
    ["optim_step", 2],
  ]);
  await service.close();
});

test("an operation aborted in the queue is never sent and leaves no gap", async ({ expect }) => {
  const accepted = gate<Response>();
  const server = trainingServer().on("/api/v1/forward_backward", () => accepted.promise);
  const { service, runtime, training } = await train(server);
  const pass = training.forwardBackward([datum], "cross_entropy");
  const controller = new AbortController();
  const aborted = training.optimStep({}, { signal: controller.signal });
  const byMethod = training.saveState("never");
  const step = training.optimStep();
  await settle();
  controller.abort("enough");
  byMethod.abort("this too");
  await expect(aborted).rejects.toBe("enough");
  await expect(byMethod).rejects.toBe("this too");
  accepted.resolve(json({ request_id: "pass-0" }));
  await runtime.run(Promise.all([pass, step]));
  expect(effects(server)).toEqual([
    ["forward_backward", 1],
    ["optim_step", 2],
  ]);
  await service.close();
});

test("an operation whose deadline passes in the queue does not freeze those behind it", async ({ expect }) => {
  const accepted = gate<Response>();
  const server = trainingServer().on("/api/v1/forward_backward", () => accepted.promise);
  const { service, runtime, training } = await train(server);
  const pass = training.forwardBackward([datum], "cross_entropy");
  const late = training.optimStep({}, { deadlineMs: 1000 });
  const step = training.optimStep();
  await runtime.advance(1000);
  await expect(late).rejects.toThrow(DeadlineError);
  accepted.resolve(json({ request_id: "pass-0" }));
  await runtime.run(Promise.all([pass, step]));
  await service.close();
});

test("an operation aborted while it is being sent is carried through, and the next keeps its place", async ({
  expect,
}) => {
  const accepted = gate<Response>();
  const server = trainingServer().on("/api/v1/forward_backward", () => accepted.promise);
  const { service, runtime, training } = await train(server);
  const pass = training.forwardBackward([datum], "cross_entropy");
  const step = training.optimStep();
  await settle();
  pass.abort("enough");
  await expect(pass).rejects.toBe("enough");
  expect(effects(server)).toHaveLength(1);
  accepted.resolve(json({ request_id: "pass-0" }));
  await runtime.run(step);
  expect(effects(server)).toEqual([
    ["forward_backward", 1],
    ["optim_step", 2],
  ]);
  await service.close();
});

test("a request that never got an answer is sent again under its number before the next", async ({ expect }) => {
  let reachable = false;
  const server = trainingServer().on("/api/v1/forward_backward", (_, count) =>
    reachable ? json({ request_id: `pass-${count}` }) : new Error("ECONNRESET"),
  );
  const { service, runtime, training } = await train(server, { submitTimeoutMs: 5000 });
  await expect(runtime.run(training.forwardBackward([datum], "cross_entropy"))).rejects.toThrow(DeadlineError);
  const tries = effects(server).length;
  reachable = true;
  await runtime.run(training.optimStep());
  expect(effects(server).slice(tries)).toEqual([
    ["forward_backward", 1],
    ["optim_step", 2],
  ]);
  await service.close();
});

test("while the server stays away, later operations fail too but use up no number", async ({ expect }) => {
  let reachable = false;
  const down = (id: string) => () => (reachable ? json({ request_id: id }) : new Error("ECONNREFUSED"));
  const server = trainingServer().on("/api/v1/optim_step", down("step-0"));
  const { service, runtime, training } = await train(server, { submitTimeoutMs: 2000 });
  for (let call = 0; call < 3; call++) {
    await expect(runtime.run(training.optimStep())).rejects.toThrow(DeadlineError);
  }
  reachable = true;
  await runtime.run(training.optimStep());
  expect(new Set(effects(server).map(([, seqId]) => seqId))).toEqual(new Set([1, 2]));
  expect(effects(server).slice(-2)).toEqual([
    ["optim_step", 1],
    ["optim_step", 2],
  ]);
  await service.close();
});

test("a poisoned request that the server always answers with 500 does not block the next one for good", async ({
  expect,
}) => {
  const server = trainingServer().on("/api/v1/forward_backward", () => failure(500));
  const { service, runtime, training } = await train(server, { submitTimeoutMs: 5000 });
  await expect(runtime.run(training.forwardBackward([datum], "cross_entropy"))).rejects.toThrow(DeadlineError);
  await runtime.run(training.optimStep());
  expect(effects(server).at(-1)).toEqual(["optim_step", 2]);
  await service.close();
});

test("retries of one operation carry one number and one idempotency key", async ({ expect }) => {
  const server = trainingServer().on("/api/v1/optim_step", (_, count) =>
    count < 2 ? failure(503) : json({ request_id: "step-0" }),
  );
  const { service, runtime, training } = await train(server);
  await runtime.run(training.optimStep());
  const sent = server.requests("/api/v1/optim_step");
  expect(sent.map(seqIdOf)).toEqual([1, 1, 1]);
  expect(new Set(sent.map(({ headers }) => headers.get("x-idempotency-key"))).size).toBe(1);
  expect(sent.map(({ headers }) => headers.get("x-stainless-retry-count"))).toEqual(["0", "1", "2"]);
  await service.close();
});

test("409 is an answer, not something to retry for minutes", async ({ expect }) => {
  const server = trainingServer().on("/api/v1/save_weights", () => failure(409));
  const { service, runtime, training } = await train(server);
  await expect(runtime.run(training.saveState("taken"))).rejects.toThrow("409");
  expect(server.requests("/api/v1/save_weights")).toHaveLength(1);
  await service.close();
});

test("a batch is cut into chunks that arrive together, and their results are combined", async ({ expect }) => {
  const server = trainingServer().on("/api/v1/client/config", () => json({ fwdbwd_max_chunk_len: 2 }));
  const { service, runtime, training } = await train(server);
  const data = Array.from({ length: 5 }, () => datum);
  const [output] = await runtime.run(
    Promise.all([training.forwardBackward(data, "cross_entropy"), training.optimStep()]),
  );
  expect(effects(server)).toEqual([
    ["forward_backward", 1],
    ["forward_backward", 2],
    ["forward_backward", 3],
    ["optim_step", 4],
  ]);
  expect(output.metrics["loss:sum"]).toBe(3);
  await service.close();
});

test("when one chunk fails to be submitted, the client goes on", async ({ expect }) => {
  const server = trainingServer()
    .on("/api/v1/client/config", () => json({ fwdbwd_max_chunk_len: 1 }))
    .on("/api/v1/forward_backward", (_, count) => (count === 1 ? failure(403) : json({ request_id: `pass-${count}` })));
  const { service, runtime, training } = await train(server);
  const pass = training.forwardBackward([datum, datum, datum], "cross_entropy");
  const step = training.optimStep();
  await expect(runtime.run(pass)).rejects.toThrow("403");
  await runtime.run(step);
  expect(effects(server).map(([, seqId]) => seqId)).toEqual([1, 2, 3]);
  await service.close();
});

test("input that cannot be sent is refused with the field's name, and leaves no gap", async ({ expect }) => {
  const server = trainingServer();
  const { service, runtime, training } = await train(server);
  const bad = { modelInput: ModelInput.fromInts([1, 2.5]), lossFnInputs: {} };
  await expect(runtime.run(training.forwardBackward([], "cross_entropy"))).rejects.toThrow(InvalidRequestError);
  await expect(runtime.run(training.forwardBackward([bad], "cross_entropy"))).rejects.toThrow(InvalidRequestError);
  await expect(runtime.run(training.optimStep({ learningRate: Number.NaN }))).rejects.toThrow(/learning_rate/i);
  await runtime.run(training.optimStep());
  expect(effects(server)).toEqual([["optim_step", 1]]);
  await service.close();
});

test("samplers from several training clients and from the service are numbered without collision", async ({
  expect,
}) => {
  const server = trainingServer().on("/api/v1/create_sampling_session", () => json({ sampling_session_id: "s" }));
  const { service, runtime, training } = await train(server);
  const other = await runtime.run(service.createLoraTrainingClient({ baseModel: "base" }));
  await runtime.run(
    Promise.all([
      training.saveWeightsAndGetSamplingClient(),
      service.createSamplingClient({ baseModel: "base" }),
      other.saveWeightsAndGetSamplingClient(),
      training.saveWeightsAndGetSamplingClient(),
    ]),
  );
  const numbers = server.log.map(({ body }) => body?.["sampling_session_seq_id"]).filter((id) => id !== undefined);
  expect(new Set(numbers).size).toBe(4);
  expect(server.requests("/api/v1/create_model").map(({ body }) => body?.["model_seq_id"])).toEqual([0, 1]);
  await service.close();
});

test("a failure's stack ends at the call that caused it", async ({ expect }) => {
  const server = trainingServer().on("/api/v1/optim_step", () => failure(422));
  const { service, runtime, training } = await train(server);
  async function theCallInUserCode(): Promise<void> {
    await training.optimStep();
  }
  const error = await runtime.run(theCallInUserCode()).catch((failed: unknown) => failed);
  expect(TinkerError.isInstance(error) && error.stack).toContain("theCallInUserCode");
  await service.close();
});

test("a failure that nobody awaits is not an unhandled rejection", async ({ expect }) => {
  const server = trainingServer().on("/api/v1/optim_step", () => failure(422));
  const { service, runtime, training } = await train(server);
  const forgotten = training.optimStep();
  await runtime.advance(1000);
  expect(forgotten.state).toBe("failed");
  await service.close();
});

test("a result is decoded once, when it is asked for", async ({ expect }) => {
  const server = trainingServer();
  const { service, runtime, training } = await train(server);
  const pass = training.forwardBackward([datum], "cross_entropy");
  const [first, second] = await runtime.run(Promise.all([pass, pass]));
  expect(first).toBe(second);
  await service.close();
});

test("closing waits for what is under way and refuses what comes after", async ({ expect }) => {
  const finished = gate<Response>();
  const server = trainingServer();
  const { service, runtime, training } = await train(server);
  server.on("/api/v1/retrieve_future", () => finished.promise);
  const step = training.optimStep();
  await settle();
  const closing = service.close();
  expect(await isPending(closing)).toBe(true);
  await expect(training.optimStep()).rejects.toThrow("closed");
  finished.resolve(json({ metrics: {} }));
  await step;
  await closing;
  expect(runtime.pendingTimers).toBe(0);
});

test("two models train without waiting for each other", async ({ expect }) => {
  const server = trainingServer();
  const { service, runtime, training } = await train(server);
  const other = await runtime.run(service.createLoraTrainingClient({ baseModel: "base" }));
  const stuck = gate<Response>();
  server.on("/api/v1/forward_backward", () => stuck.promise);
  const blocked = training.forwardBackward([datum], "cross_entropy");
  await runtime.run(other.optimStep());
  expect(await isPending(blocked)).toBe(true);
  stuck.resolve(json({ request_id: "pass-9" }));
  await runtime.run(blocked);
  await service.close();
});

test("the tokenizer is loaded once for any number of callers", async ({ expect }) => {
  const server = trainingServer().on("/api/v1/get_info", () =>
    json({ model_id: "session:train:0", model_data: { model_name: "base", tokenizer_id: "org/tokenizer" } }),
  );
  const loaded: string[] = [];
  const tokenizer = { encode: () => [1], decode: () => "a" };
  const connected = connect(server, {
    loadTokenizer: async (id) => {
      loaded.push(id);
      await settle();
      return tokenizer;
    },
  });
  const training = await connected.runtime.run(connected.service.createLoraTrainingClient({ baseModel: "base" }));
  const tokenizers = await connected.runtime.run(
    Promise.all(Array.from({ length: 50 }, () => training.getTokenizer())),
  );
  expect(new Set(tokenizers)).toEqual(new Set([tokenizer]));
  expect(loaded).toEqual(["org/tokenizer"]);
  await connected.service.close();
});
