import { describe, test } from "vitest";
import { refusal, TestServer } from "./test-server.ts";

/** Saves unnamed and returns the sampling session. */
async function unnamedSave(server: TestServer, model: string, seqId: number, number: number): Promise<string> {
  const body = { model_id: model, seq_id: seqId, sampling_session_seq_id: number };
  const { sampling_session_id: id } = await server.result(await server.post("save_weights_for_sampler", body));
  return id as string;
}

describe("a sampler", () => {
  test("keeps the weights it was made from, whatever is trained later", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const before = await unnamedSave(server, model, 1, 0);
    const first = await server.tokens(before, 0);
    await server.pass(model, 2);
    await server.result(await server.step(model, 3));
    const after = await unnamedSave(server, model, 4, 1);
    expect(await server.tokens(before, 1)).toEqual(first);
    expect(await server.tokens(after, 0)).not.toEqual(first);
  });

  test("is a snapshot in its turn: of the weights after the operations before it", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const body = { model_id: model, seq_id: 2, sampling_session_seq_id: 0 };
    const save = await server.post("save_weights_for_sampler", body);
    await server.step(model, 3);
    await server.step(model, 1);
    await server.result(save);
    const order = server.engine.effects.map(({ operation }) => operation);
    expect(order).toEqual(["createAdapter", "optimStep", "createSnapshot", "optimStep"]);
  });

  test("of a named save samples as the model did, also after the model was unloaded", async ({ expect }) => {
    await using server = new TestServer();
    const session = await server.session();
    const model = await server.model(session);
    await server.step(model, 1);
    const unnamed = await unnamedSave(server, model, 2, 0);
    const named = await server.post("save_weights_for_sampler", { model_id: model, seq_id: 3, path: "best" });
    const { path } = await server.result(named);
    expect(path).toBe(`tinker://${model}/sampler_weights/best`);
    await server.result(await server.post("unload_model", { model_id: model }));
    const sampler = await server.sampler(session, 1, { model_path: path });
    expect(await server.tokens(sampler, 0)).toEqual(await server.tokens(unnamed, 0));
    expect(await server.get(`samplers/${sampler}`)).toEqual({
      sampler_id: sampler,
      base_model: "scripted/tiny",
      model_path: path,
    });
  });

  test("of a checkpoint is loaded once for all who ask at the same time", async ({ expect }) => {
    await using server = new TestServer();
    const session = await server.session();
    const model = await server.model(session);
    const { path } = await server.result(
      await server.post("save_weights_for_sampler", { model_id: model, seq_id: 1, path: "best" }),
    );
    const opened = await Promise.all(
      [0, 1, 2, 2].map((number) => server.sampler(session, number, { model_path: path })),
    );
    expect(new Set(opened).size).toBe(3);
    expect(server.engine.count("createSnapshot")).toBe(1);
    expect(server.engine.held.adapters).toEqual([model]);
  });

  test("needs either a base model or a checkpoint for sampling that exists", async ({ expect }) => {
    await using server = new TestServer();
    const session = await server.session();
    const model = await server.model(session);
    await server.result(await server.post("save_weights", { model_id: model, seq_id: 1, path: "trained" }));
    const open = (from: object) =>
      refusal(server.send("create_sampling_session", { session_id: session, sampling_session_seq_id: 0, ...from }));
    expect((await open({})).status).toBe(400);
    expect((await open({ base_model: "scripted/tiny", model_path: "tinker://a/sampler_weights/b" })).status).toBe(400);
    expect((await open({ base_model: "gpt-17" })).status).toBe(400);
    expect((await open({ model_path: "s3://a/b" })).status).toBe(400);
    expect((await open({ model_path: `tinker://${model}/weights/trained` })).detail).toContain("training checkpoint");
    expect((await open({ model_path: `tinker://${model}/sampler_weights/other` })).status).toBe(404);
    expect(await server.sampler(session, 0)).toBe(`${session}:sample:0`);
  });

  test("is the same for the same number, and another one is a conflict", async ({ expect }) => {
    await using server = new TestServer();
    const session = await server.session();
    const model = await server.model(session);
    expect(await server.sampler(session, 0)).toBe(await server.sampler(session, 0));
    const other = { session_id: session, sampling_session_seq_id: 0, model_path: "tinker://a/sampler_weights/b" };
    expect((await refusal(server.send("create_sampling_session", other))).status).toBe(409);
    const unnamed = { model_id: model, seq_id: 1, sampling_session_seq_id: 0 };
    const { category, error } = await server.result(await server.post("save_weights_for_sampler", unnamed));
    expect([category, error]).toEqual(["user", `sampling_session_seq_id 0 of ${session} was already used.`]);
  });

  test("unnamed makes room for newer ones, so that a long loop does not fill the memory", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const samplers: string[] = [];
    for (let seqId = 1; seqId <= 70; seqId += 1) samplers.push(await unnamedSave(server, model, seqId, seqId));
    expect(server.engine.held.snapshots).toHaveLength(64);
    expect(await refusal(server.sendSample(samplers[0]!, 0))).toMatchObject({
      status: 404,
      detail: expect.stringContaining("create a sampling client again") as string,
    });
    expect(await server.tokens(samplers.at(-1)!, 0)).toHaveLength(4);
  });

  test("is not left behind when its session ends while it is made", async ({ expect }) => {
    await using server = new TestServer();
    const session = await server.session();
    const model = await server.model(session);
    const { path } = await server.result(
      await server.post("save_weights_for_sampler", { model_id: model, seq_id: 1, path: "best" }),
    );
    const gate = server.engine.hold("createSnapshot");
    const body = { session_id: session, sampling_session_seq_id: 0, model_path: path };
    const opening = refusal(server.send("create_sampling_session", body));
    const unnamed = { model_id: model, seq_id: 2, sampling_session_seq_id: 1 };
    const save = await server.post("save_weights_for_sampler", unnamed);
    while (gate.waiting < 2) await new Promise((resolve) => setImmediate(resolve));
    server.clock.advance(300_000);
    await server.session();
    gate.open();
    expect((await opening).status).toBe(404);
    expect((await server.result(save))["error"]).toContain("ended");
    expect(server.app.status.samplers).toBe(0);
    expect(server.engine.held.snapshots).toEqual([]);
  });

  test("of a checkpoint can be opened again after all who used it are gone", async ({ expect }) => {
    await using server = new TestServer();
    const session = await server.session();
    const model = await server.model(session);
    const save = await server.post("save_weights_for_sampler", { model_id: model, seq_id: 1, path: "best" });
    const { path } = await server.result(save);
    const first = await server.tokens(await server.sampler(session, 0, { model_path: path }), 0);
    server.clock.advance(300_000);
    const later = await server.session();
    expect(server.engine.held.snapshots).toEqual([]);
    expect(await server.tokens(await server.sampler(later, 0, { model_path: path }), 0)).toEqual(first);
  });

  test("whose making failed leaves its number to the next try", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    server.engine.failNext("createSnapshot", new Error("out of memory"));
    const body = { model_id: model, seq_id: 1, sampling_session_seq_id: 0 };
    expect(await server.result(await server.post("save_weights_for_sampler", body))).toEqual({
      error: "out of memory",
      category: "server",
    });
    expect(await unnamedSave(server, model, 2, 0)).toMatch(/:sample:0$/);
  });

  test("keeps its weights until the samples that run have ended", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const sampler = await unnamedSave(server, model, 1, 0);
    const gate = server.engine.hold("sample");
    const running = await server.sample(sampler, 0);
    await gate.arrived;
    server.clock.advance(300_000);
    await server.session();
    expect(server.engine.held.snapshots).toEqual([sampler]);
    gate.open();
    expect((await server.sampleResult(running)).sequences).toHaveLength(1);
    expect(server.engine.held.snapshots).toEqual([]);
  });
});

describe("a sample", () => {
  test("gives tokens, their logprobs and why it ended", async ({ expect }) => {
    await using server = new TestServer();
    const sampler = await server.sampler(await server.session());
    const [token] = await server.tokens(sampler, 0);
    const { sequences } = await server.sampleResult(
      await server.sample(sampler, 1, { num_samples: 3, sampling_params: { max_tokens: 4, seed: 7, stop: [token] } }),
    );
    expect(sequences).toHaveLength(3);
    expect(sequences[0]).toMatchObject({ stopReason: "stop", tokens: Int32Array.of(token!) });
    expect(sequences[0]?.logprobs).toHaveLength(1);
  });

  test("gives the prompt's logprobs, the first undefined, and the likeliest tokens", async ({ expect }) => {
    await using server = new TestServer();
    const sampler = await server.sampler(await server.session());
    const options = { prompt_logprobs: true, topk_prompt_logprobs: 2 };
    const result = await server.sampleResult(await server.sample(sampler, 0, options));
    expect(result.promptLogprobs?.[0]).toBeNaN();
    expect(result.promptLogprobs?.subarray(1).every((value) => value <= 0)).toBe(true);
    expect(result.topkPromptLogprobs).toMatchObject({ k: 2, promptLength: 3 });
  });

  test("is drawn once for one number, however large the number", async ({ expect }) => {
    await using server = new TestServer();
    const sampler = await server.sampler(await server.session());
    const numbers = [9_007_199_254_740_992n, 9_007_199_254_740_993n, 999_999_999_999_999_999n];
    const ids = [];
    for (const number of [...numbers, ...numbers]) ids.push((await server.sample(sampler, number))["request_id"]);
    expect(ids.slice(0, 3)).toEqual(ids.slice(3));
    expect(new Set(ids).size).toBe(3);
    const other = server.sendSample(sampler, numbers[0]!, { num_samples: 2 });
    expect((await refusal(other)).status).toBe(409);
    expect(server.engine.count("sample")).toBe(3);
  });

  test("is taken from a base model without a session too", async ({ expect }) => {
    await using server = new TestServer();
    const submitted = await server.post("asample", {
      base_model: "scripted/tiny",
      prompt: { chunks: [{ type: "encoded_text", tokens: [1] }] },
      sampling_params: { max_tokens: 3 },
    });
    expect((await server.sampleResult(submitted)).sequences[0]?.tokens).toHaveLength(3);
  });

  test("without max_tokens goes on to the end of the context", async ({ expect }) => {
    await using server = new TestServer();
    const sampler = await server.sampler(await server.session());
    expect(await server.tokens(sampler, 0, { sampling_params: {} })).toHaveLength(512 - 3);
  });

  test("is refused with the reason when its request makes no sense", async ({ expect }) => {
    await using server = new TestServer();
    const sampler = await server.sampler(await server.session());
    const cases: readonly (readonly [object, string])[] = [
      [{ prompt: { chunks: [] } }, "prompt has no tokens."],
      [{ sampling_params: { max_tokens: 510 } }, "has a context of 512"],
      [{ sampling_params: { temperature: -1 } }, "temperature must be at least 0"],
      [{ sampling_params: { top_p: 0 } }, "top_p must be"],
      [{ sampling_params: { top_k: 0 } }, "top_k must be"],
      [{ sampling_params: { max_tokens: 1.5 } }, "max_tokens must be"],
      [{ sampling_params: { stop: ["a", 1] } }, "stop[1] must be"],
      [{ num_samples: 0 }, "num_samples must be"],
      [{ topk_prompt_logprobs: 1000 }, "topk_prompt_logprobs must be"],
      [{ prompt: { chunks: [{ type: "image", data: "AAAA", format: "png" }] } }, "encoded_text"],
      [{ prompt: { chunks: [{ type: "encoded_text", tokens: [2 ** 31] }] } }, "tokens[0]"],
      [{ model_path: "tinker://a/sampler_weights/b" }, "open a sampling session"],
      [{ base_model: "scripted/tiny" }, "either sampling_session_id or base_model"],
      [{ sampling_session_id: "nobody" }, "Unknown sampling session"],
    ];
    for (const [change, reason] of cases) {
      const { status, detail } = await refusal(server.sendSample(sampler, 0, { ...change }));
      expect([status === 400 || status === 404, detail]).toEqual([true, expect.stringContaining(reason)]);
    }
    expect(server.engine.count("sample")).toBe(0);
  });
});

describe("the queue of samples", () => {
  test("is bounded: beyond it there is 429 and when to come again, and the same number may be used then", async ({
    expect,
  }) => {
    await using server = new TestServer({ limits: { queuedSamples: 3, runningSamples: 2 } });
    const sampler = await server.sampler(await server.session());
    const gate = server.engine.hold("sample");
    const accepted = [];
    for (let seqId = 0; seqId < 3; seqId += 1) accepted.push(await server.sample(sampler, seqId));
    const full = await server.sendSample(sampler, 3);
    expect([full.status, full.headers.get("retry-after")]).toEqual([429, "1"]);
    await gate.arrived;
    expect(gate.waiting).toBe(2);
    gate.open();
    for (const submitted of accepted) await server.sampleResult(submitted);
    expect((await server.sampleResult(await server.sample(sampler, 3))).sequences).toHaveLength(1);
    expect(server.app.status).toMatchObject({ queuedSamples: 0, pendingBytes: 0 });
  });

  test("is fair: samples start in the order in which they came", async ({ expect }) => {
    await using server = new TestServer({ limits: { runningSamples: 1 } });
    const session = await server.session();
    const samplers = [await server.sampler(session, 0), await server.sampler(session, 1)];
    const submitted = [];
    for (let token = 0; token < 20; token += 1) {
      const prompt = { chunks: [{ type: "encoded_text", tokens: [token] }] };
      submitted.push(await server.sample(samplers[token % 2]!, token, { prompt }));
    }
    for (const each of submitted) await server.sampleResult(each);
    const order = server.engine.effects
      .filter(({ operation }) => operation === "sample")
      .map(({ detail }) => detail[0]);
    expect(order).toEqual(Array.from({ length: 20 }, (_, token) => token));
  });

  test("takes thousands at once and comes to rest", async ({ expect }) => {
    await using server = new TestServer();
    const sampler = await server.sampler(await server.session());
    const results = await Promise.all(
      Array.from({ length: 2000 }, async (_, seqId) => server.sampleResult(await server.sample(sampler, seqId))),
    );
    expect(results.every(({ sequences }) => sequences.length === 1)).toBe(true);
    expect(server.app.status).toMatchObject({ queuedSamples: 0, pendingBytes: 0, requests: 0 });
    expect(server.clock.sleeping).toBe(0);
  });

  test("fails what it holds when the server stops", async ({ expect }) => {
    const server = new TestServer({ limits: { runningSamples: 1 } });
    const sampler = await server.sampler(await server.session());
    const gate = server.engine.hold("sample");
    const [running, waiting] = [await server.sample(sampler, 0), await server.sample(sampler, 1)];
    await gate.arrived;
    const polls = [server.result(running), server.result(waiting)];
    await server.clock.untilSleeping(2);
    const closing = server.app.close();
    gate.open();
    await closing;
    for (const { error } of await Promise.all(polls)) expect(error).toContain("The server is stopping");
    expect((await refusal(server.send("create_session", {}))).status).toBe(503);
    expect(server.clock.sleeping).toBe(0);
  });
});
