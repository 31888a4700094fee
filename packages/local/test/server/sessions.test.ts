import { describe, test } from "vitest";
import { refusal, TestServer } from "./test-server.ts";

const request = { tags: [], user_metadata: {}, sdk_version: "0" };

describe("a session", () => {
  test("is made once for one idempotency key", async ({ expect }) => {
    await using server = new TestServer();
    const create = async (key: string) => {
      const response = await server.send("create_session", request, { headers: { "x-idempotency-key": key } });
      return ((await response.json()) as { session_id: string }).session_id;
    };
    const ids = await Promise.all([create("a"), create("a"), create("b")]);
    expect(ids[0]).toBe(ids[1]);
    expect(ids[0]).not.toBe(ids[2]);
    expect(server.app.status.sessions).toBe(2);
  });

  test("lives as long as its heartbeats come", async ({ expect }) => {
    await using server = new TestServer({ limits: { sessionExpiryMs: 60_000 } });
    const session = await server.session();
    for (let minute = 0; minute < 5; minute += 1) {
      server.clock.advance(59_999);
      expect(await server.post("session_heartbeat", { session_id: session })).toEqual({});
    }
    server.clock.advance(60_000);
    expect(await refusal(server.send("session_heartbeat", { session_id: session }))).toEqual({
      status: 404,
      detail:
        `Session ${session} ended: no heartbeat came for 60 s. Its models and samplers are gone, its checkpoints are ` +
        "not. Create a new session and load one.",
    });
  });

  test("that never beat ends as long after its creation, and takes its models and samplers along", async ({
    expect,
  }) => {
    await using server = new TestServer();
    const session = await server.session();
    const model = await server.model(session);
    const sampler = await server.sampler(session);
    const save = { model_id: model, seq_id: 1, sampling_session_seq_id: 1 };
    await server.result(await server.post("save_weights_for_sampler", save));
    const held = await server.step(model, 3);
    server.clock.advance(299_000);
    const other = await server.session();
    server.clock.advance(1000);
    expect((await server.get("sessions"))["sessions"]).toEqual([other]);
    expect((await refusal(server.sendPass(model, 2))).detail).toContain("session ended");
    expect((await refusal(server.sendSample(sampler, 0))).status).toBe(404);
    expect((await server.result(held))["error"]).toContain("session ended");
    await server.app.close();
    expect(server.engine.held).toEqual({ adapters: [], snapshots: [] });
  });

  test("ends on time also when another ended before it", async ({ expect }) => {
    await using server = new TestServer({ limits: { sessionExpiryMs: 300 } });
    const first = await server.session();
    server.clock.advance(100);
    const second = await server.session();
    const listed = async () => (await server.get("sessions"))["sessions"];
    expect(await listed()).toEqual([second, first]);
    server.clock.advance(200);
    expect(await listed()).toEqual([second]);
    server.clock.advance(100);
    expect(await listed()).toEqual([]);
  });

  test("lists what it made", async ({ expect }) => {
    await using server = new TestServer();
    const session = await server.session();
    const models = [await server.model(session, 0), await server.model(session, 1)];
    const sampler = await server.sampler(session, 0);
    expect(await server.get(`sessions/${session}`)).toEqual({ training_run_ids: models, sampler_ids: [sampler] });
    expect((await refusal(server.fetch("sessions/nobody"))).status).toBe(404);
  });

  test("assigns its runs to a project", async ({ expect }) => {
    await using server = new TestServer();
    const session = await server.session();
    const model = await server.model(session);
    await server.model();
    const body = JSON.stringify({ project_id: "p-1" });
    expect((await server.fetch(`sessions/${session}/project`, { method: "PUT", body })).status).toBe(200);
    const { training_runs: runs } = await server.get("training_runs?project_id=p-1");
    expect((runs as readonly { training_run_id: string }[]).map((run) => run.training_run_id)).toEqual([model]);
  });

  test("pages its listing", async ({ expect }) => {
    await using server = new TestServer();
    const sessions: string[] = [];
    for (let count = 0; count < 5; count += 1) sessions.unshift(await server.session());
    expect(await server.get("sessions?limit=2&offset=1")).toEqual({ sessions: sessions.slice(1, 3) });
    for (const query of ["limit=-1", "limit=x", "offset=1.5", "limit=99999999999999999999"]) {
      expect((await refusal(server.fetch(`sessions?${query}`))).status).toBe(400);
    }
  });

  test("does not share its models' numbers with another", async ({ expect }) => {
    await using server = new TestServer();
    const sessions = await Promise.all(Array.from({ length: 20 }, () => server.session()));
    const models = await Promise.all(sessions.map((session) => server.model(session)));
    const steps = await Promise.all(
      models.flatMap((model) => [3, 1, 2].map(async (seqId) => server.result(await server.step(model, seqId)))),
    );
    expect(steps).toHaveLength(60);
    expect(new Set(models).size).toBe(20);
    for (const model of models) expect(server.engine.count("optimStep", model)).toBe(3);
  });
});

describe("a model", () => {
  test("is described", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    expect(model).toMatch(/^session-[0-9a-f]{12}:train:0$/);
    expect(await server.post("get_info", { model_id: model })).toEqual({
      model_data: { arch: "decoder", model_name: "scripted/tiny", tokenizer_id: "scripted/tiny" },
      model_id: model,
      is_lora: true,
      lora_rank: 8,
      model_name: "scripted/tiny",
    });
  });

  test("must name a base model that is served, a rank, and something to train", async ({ expect }) => {
    await using server = new TestServer();
    const session = await server.session();
    const create = (base: string, config: object) =>
      refusal(
        server.send("create_model", { session_id: session, model_seq_id: 0, base_model: base, lora_config: config }),
      );
    expect(await create("gpt-17", { rank: 8 })).toEqual({
      status: 400,
      detail: 'Base model "gpt-17" is not served here; there is scripted/tiny.',
    });
    expect((await create("scripted/tiny", { rank: 0 })).detail).toContain("rank must be 1 to 1024");
    const none = { rank: 1, train_attn: false, train_mlp: false, train_unembed: false };
    expect((await create("scripted/tiny", none)).detail).toContain("trains nothing");
    expect(await server.model(session)).toContain(session);
  });

  test("is unloaded after what was sent before, and is then gone", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const step = await server.step(model, 1);
    const held = await server.step(model, 3);
    const unload = await server.post("unload_model", { model_id: model });
    expect(await server.post("unload_model", { model_id: model })).toEqual(unload);
    expect(await server.result(unload)).toEqual({ model_id: model });
    expect(await server.result(step)).toEqual({ metrics: { "steps:max": 1 } });
    expect((await server.result(held))["error"]).toContain("was unloaded");
    expect((await refusal(server.send("get_info", { model_id: model }))).detail).toContain("was unloaded");
    expect(server.engine.held.adapters).toEqual([]);
    expect((await server.get(`training_runs/${model}`))["training_run_id"]).toBe(model);
  });

  test("that never was is a 404 with what to do, on every route", async ({ expect }) => {
    await using server = new TestServer();
    const routes: readonly (readonly [string, object])[] = [
      ["get_info", {}],
      ["unload_model", {}],
      ["optim_step", { seq_id: 1 }],
      ["save_weights", { seq_id: 1, path: "a" }],
      ["save_weights_for_sampler", { seq_id: 1, path: "a" }],
      ["load_weights", { seq_id: 1, path: "tinker://a/weights/b", optimizer: true }],
    ];
    for (const [route, body] of routes) {
      expect(await refusal(server.send(route, { model_id: "session-x:train:0", ...body }))).toEqual({
        status: 404,
        detail:
          'Unknown model "session-x:train:0". Models end with the server; create one, or load a checkpoint into a new one.',
      });
    }
  });
});
