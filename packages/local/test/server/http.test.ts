import { zstdCompressSync } from "node:zlib";
import { encodeForwardBackwardRequest } from "@tinkex/protocol";
import * as fc from "fast-check";
import { describe, test } from "vitest";
import { createTinkerApp, ScriptedEngine } from "../../src/index.ts";
import { apiKey, datum, refusal, TestServer } from "./test-server.ts";

const pass = (modelId: string, seqId: number, length = 3): Uint8Array =>
  encodeForwardBackwardRequest({
    modelId,
    seqId,
    data: [datum(...Array<number>(length).fill(1))],
    lossFn: "cross_entropy",
    forwardOnly: false,
  });

describe("clients start", () => {
  test("with the config, which keeps the Python SDK on plain HTTP", async ({ expect }) => {
    await using server = new TestServer({ clientConfig: { parallelFwdbwdChunks: false } });
    expect(await server.post("client/config", { sdk_version: "0.25.0", something: "new" })).toMatchObject({
      use_pyqwest_transport: false,
      pjwt_auth_enabled: false,
      parallel_fwdbwd_chunks: false,
      fwdbwd_max_chunk_len: 1024,
    });
    expect(await server.post("client/dynamic_config", { sdk_version: "0.25.0" })).toEqual({
      refresh_interval_sec: 300,
    });
  });

  test("by asking what is served", async ({ expect }) => {
    await using server = new TestServer();
    expect(await server.get("get_server_capabilities")).toEqual({
      supported_models: [{ model_name: "scripted/tiny", max_context_length: 512 }],
    });
  });

  test("and are told that there is no token to be had", async ({ expect }) => {
    await using server = new TestServer();
    expect((await refusal(server.send("auth/token", {}))).status).toBe(404);
  });

  test("and may send telemetry of any kind", async ({ expect }) => {
    await using server = new TestServer();
    expect(await server.post("telemetry", { events: [{ event: "NEW" }] })).toEqual({ status: "accepted" });
  });
});

describe("the key", () => {
  test("is asked for on every route but the health probe", async ({ expect }) => {
    await using server = new TestServer();
    const probe = new Request("http://tinker.local/api/v1/healthz");
    expect(await (await server.app.fetch(probe)).json()).toEqual({ status: "ok" });
    for (const path of ["create_session", "retrieve_future", "no_such_route", "training_runs"]) {
      const missing = server.app.fetch(new Request(`http://tinker.local/api/v1/${path}`, { method: "POST" }));
      expect((await refusal(missing)).status).toBe(401);
    }
    expect(server.app.status.sessions).toBe(0);
  });

  test("is not repeated when it is wrong, and no near miss passes", async ({ expect }) => {
    await using server = new TestServer();
    for (const key of [`${apiKey}x`, apiKey.slice(0, -1), apiKey.toUpperCase(), "", "tml-wrong-secret"]) {
      const { status, detail } = await refusal(server.send("create_session", {}, { headers: { "x-api-key": key } }));
      expect(status).toBe(401);
      expect(detail).not.toContain(apiKey);
      if (key !== "") expect(detail).not.toContain(key);
    }
  });
});

describe("bad bodies", () => {
  test("are a 400 that says what was wrong, never a failure of the server", async ({ expect }) => {
    await using server = new TestServer();
    const session = await server.session();
    const cases: readonly (readonly [string, string, string])[] = [
      ["create_session", "{", "CreateSessionRequest must be JSON"],
      ["create_session", "", "CreateSessionRequest must be JSON"],
      ["create_session", "[]", "must be an object"],
      ["create_session", "null", "must be an object"],
      ["create_session", '{"sdk_version": 3}', "sdk_version must be a string"],
      ["create_model", `{"session_id": "${session}"}`, "model_seq_id must be present"],
      ["retrieve_future", '{"request_id": 7}', "request_id must be a string"],
      ["asample", '{"prompt": {"chunks": [{"type": "smell"}]}}', "prompt.chunks[0].type must be"],
      ["optim_step", '{"model_id": "m", "seq_id": 1, "adam_params": {"learning_rate": "NaN"}}', "learning_rate"],
      ["load_weights", '{"model_id": "m", "seq_id": 1, "path": 3, "optimizer": true}', "path must be a string"],
    ];
    for (const [route, body, reason] of cases) {
      const { status, detail } = await refusal(server.fetch(route, { method: "POST", body }));
      expect([route, status, detail]).toEqual([route, 400, expect.stringContaining(reason)]);
    }
    const broken = Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]);
    expect((await refusal(server.fetch("create_session", { method: "POST", body: broken }))).detail).toContain("UTF-8");
  });

  test("of random bytes are refused on every route", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const routes = ["create_session", "create_model", "asample", "optim_step", "save_weights", "retrieve_future"];
    const types = ["application/json", "application/x-protobuf"];
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...routes, "forward_backward", "forward", "load_weights", "weights_info"),
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.json().map((text) => new TextEncoder().encode(text)),
        ),
        fc.constantFrom(...types),
        async (route, body, type) => {
          const answer = server.fetch(route, {
            method: "POST",
            body: body as Uint8Array<ArrayBuffer>,
            headers: { "content-type": type },
          });
          expect((await refusal(answer)).status).toBeOneOf([400, 404]);
        },
      ),
      { numRuns: 300 },
    );
    await server.passResult(await server.pass(model, 1));
  });

  test("cut short anywhere are refused, and leave the model usable", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const whole = pass(model, 1);
    for (let length = 0; length < whole.length; length += 1) {
      const cut = await server.sendPassBytes(whole.subarray(0, length));
      // Losing whole fields at the end leaves a valid message that lacks its loss or its data.
      expect(cut.status).toBeOneOf([400, 404]);
    }
    await server.passResult(await server.pass(model, 2));
    expect(server.engine.count("forwardBackward")).toBe(1);
  });

  test("name the datum that cannot be trained on", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const good = datum(1, 2);
    const float = (data: readonly number[], shape = [data.length]) => ({
      dtype: "float32" as const,
      shape,
      data: Float32Array.from(data),
    });
    const cases = [
      [{ ...good, lossFnInputs: { ...good.lossFnInputs, weights: float([1]) } }, "weights has 1 values for 2 tokens"],
      [{ ...good, lossFnInputs: { ...good.lossFnInputs, mask: float([1, 1]) } }, '"mask", which no loss takes'],
      [{ ...good, lossFnInputs: { ...good.lossFnInputs, target_tokens: float([1.5, 2]) } }, "target_tokens[0] is 1.5"],
      [
        { ...good, lossFnInputs: { ...good.lossFnInputs, target_tokens: float([1, 2, 3, 4], [2, 2]) } },
        "has shape [2, 2]; this server trains on one value per token",
      ],
      [{ ...good, modelInput: { chunks: [] } }, "model_input has no tokens"],
      [{ ...good, lossFnInputs: { weights: float([1, 1]) } }, "needs target_tokens for cross_entropy"],
    ] as const;
    for (const [index, [bad, reason]] of cases.entries()) {
      const { status, detail } = await refusal(server.sendPass(model, index + 1, { data: [good, bad] }));
      expect([status, detail]).toEqual([400, expect.stringContaining(reason)]);
      expect(detail).toContain("data[1]");
    }
    const huge = { dtype: "int64" as const, shape: [2], data: BigInt64Array.of(2n ** 40n, 1n) };
    const wrapped = { ...good, lossFnInputs: { ...good.lossFnInputs, target_tokens: huge } };
    expect((await refusal(server.sendPass(model, 10, { data: [wrapped] }))).detail).toContain("is not a token id");
    const policy = server.sendPass(model, 7, { lossFn: "ppo" });
    expect((await refusal(policy)).detail).toContain("needs logprobs for ppo");
  });

  test("of Adam settings that mean nothing name the setting", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const settings = { learning_rate: -1, beta1: 1, beta2: -0.1, eps: -1, weight_decay: -1, grad_clip_norm: -1 };
    for (const [index, [name, value]] of Object.entries(settings).entries()) {
      const body = { model_id: model, seq_id: index + 1, adam_params: { [name]: value } };
      expect((await refusal(server.send("optim_step", body))).detail).toContain(`adam_params.${name} must be`);
    }
    expect(await server.result(await server.step(model, 7))).toEqual({ metrics: { "steps:max": 1 } });
  });
});

describe("compressed and large bodies", () => {
  const zstd = { "content-encoding": "zstd" };

  test("in zstd are read", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const response = await server.sendPassBytes(zstdCompressSync(pass(model, 1)), zstd);
    expect(response.status).toBe(200);
  });

  test("in zstd that is broken are a 400, in another encoding a 415", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const whole = zstdCompressSync(pass(model, 1, 500));
    for (const body of [pass(model, 1), whole.subarray(0, whole.length - 5), Buffer.from([1])]) {
      expect((await refusal(server.sendPassBytes(body, zstd))).status).toBe(400);
    }
    expect((await refusal(server.sendPassBytes(whole, { "content-encoding": "br" }))).status).toBe(415);
  });

  test("beyond the limit are a 413, also when only their decompressed form is", async ({ expect }) => {
    await using server = new TestServer({ limits: { bodyBytes: 10_000 } });
    const model = await server.model();
    const bomb = zstdCompressSync(Buffer.alloc(50_000_000));
    expect(bomb.length).toBeLessThan(10_000);
    expect((await refusal(server.sendPassBytes(bomb, zstd))).status).toBe(413);
    expect((await refusal(server.sendPassBytes(Buffer.alloc(10_001)))).status).toBe(413);
    const stream = ReadableStream.from([Buffer.alloc(6000), Buffer.alloc(6000)]);
    const init = { method: "POST", body: stream, duplex: "half" } as RequestInit;
    expect((await refusal(server.fetch("forward_backward", init))).status).toBe(413);
    expect((await server.sendPassBytes(pass(model, 1, 100))).status).toBe(200);
  });

  test("with more tokens than one request may have are a 400", async ({ expect }) => {
    await using server = new TestServer({ limits: { requestTokens: 100 } });
    const model = await server.model();
    expect((await refusal(server.sendPassBytes(pass(model, 1, 101)))).detail).toContain("data has 101 tokens");
    expect((await server.sendPassBytes(pass(model, 2, 100))).status).toBe(200);
  });
});

describe("the server", () => {
  test("answers an unknown route with 404 and says which", async ({ expect }) => {
    await using server = new TestServer();
    expect(await refusal(server.fetch("audit"))).toEqual({
      status: 404,
      detail: "There is no GET /api/v1/audit on this server.",
    });
    expect((await refusal(server.app.fetch(new Request("http://tinker.local/")))).status).toBe(404);
  });

  test("stops while it is paused, and fails what it held back", async ({ expect }) => {
    const server = new TestServer();
    const model = await server.model();
    server.app.pause("paused_rate_limit");
    const poll = server.result(await server.step(model, 1));
    await server.clock.untilSleeping(1);
    await server.app.close();
    expect((await poll)["error"]).toContain("The server is stopping");
    expect(server.engine.count("optimStep")).toBe(0);
  });

  test("stops after a while also when the engine does not", async ({ expect }) => {
    const server = new TestServer({ closeGraceMs: 5000 });
    const model = await server.model();
    const gate = server.engine.hold("optimStep");
    const poll = server.result(await server.step(model, 1));
    await gate.arrived;
    await server.clock.untilSleeping(1);
    const closing = server.app.close();
    await server.clock.untilSleeping(2);
    server.clock.advance(5000);
    expect(await poll).toEqual({
      error: "The server is stopping. Work that had not ended was given up; named checkpoints are kept.",
      category: "server",
    });
    await closing;
  });

  test("refuses limits that are none", ({ expect }) => {
    const start = (limits: object) => () => createTinkerApp({ engine: new ScriptedEngine(), apiKey, limits });
    expect(start({ bodyBytes: 0 })).toThrow("limits.bodyBytes must be a positive number, got 0");
    expect(start({ queuedSamples: Number.NaN })).toThrow("got NaN");
    expect(start({ longPollMs: 45_000 })).toThrow("must stay under 45000");
    expect(start({ bodyBites: 1 })).toThrow("limits.bodyBites is not a limit");
  });

  test("runs no timer when nobody waits", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    await server.passResult(await server.pass(model, 1));
    await server.sampler(await server.session());
    expect(server.clock.sleeping).toBe(0);
  });
});
