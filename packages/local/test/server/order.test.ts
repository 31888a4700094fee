import * as fc from "fast-check";
import { describe, test } from "vitest";
import { encodeForwardBackwardRequest } from "@tinkex/protocol";
import { datum, refusal, TestServer, type Json } from "./test-server.ts";

/** What the engine did to a model, a pass as its first token and a step as "step". */
const effects = (server: TestServer, model: string): readonly (number | "step" | undefined)[] =>
  server.engine.effects
    .filter(
      ({ target, operation }) => target === model && (operation === "forwardBackward" || operation === "optimStep"),
    )
    .map(({ operation, detail }) => (operation === "optimStep" ? "step" : detail[0]));

describe("training operations", () => {
  test("take effect in the order of their numbers when chunks arrive with the first one last", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const later = [
      await server.pass(model, 2, { data: [datum(2)] }),
      await server.pass(model, 3, { data: [datum(3)] }),
      await server.step(model, 4),
    ];
    expect(effects(server, model)).toEqual([]);
    const first = await server.pass(model, 1, { data: [datum(1)] });
    for (const submitted of [first, ...later.slice(0, 2)]) await server.passResult(submitted);
    await server.result(later[2]!);
    expect(effects(server, model)).toEqual([1, 2, 3, "step"]);
  });

  test("take effect in order for any order of arrival, with any of them refused", async ({ expect }) => {
    const plan = fc.integer({ min: 1, max: 7 }).chain((count) =>
      fc.record({
        arrivals: fc.shuffledSubarray(
          Array.from({ length: count }, (_, index) => index + 1),
          { minLength: count },
        ),
        refused: fc.subarray(Array.from({ length: count }, (_, index) => index + 1)),
      }),
    );
    await fc.assert(
      fc.asyncProperty(plan, async ({ arrivals, refused }) => {
        await using server = new TestServer();
        const model = await server.model();
        const accepted: Json[] = [];
        for (const seqId of arrivals) {
          if (refused.includes(seqId)) await refusal(server.sendPass(model, seqId, { data: [] }));
          else accepted.push(await server.pass(model, seqId, { data: [datum(seqId)] }));
        }
        for (const submitted of accepted) await server.passResult(submitted);
        const expected = arrivals.filter((seqId) => !refused.includes(seqId)).sort((a, b) => a - b);
        expect(effects(server, model)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  test("may be sent before their model's creation has ended", async ({ expect }) => {
    await using server = new TestServer();
    const gate = server.engine.hold("createAdapter");
    const session = await server.session();
    const creation = await server.post("create_model", {
      session_id: session,
      model_seq_id: 0,
      base_model: "scripted/tiny",
      lora_config: { rank: 4 },
    });
    const model = creation["model_id"] as string;
    const pass = await server.pass(model, 1);
    gate.open();
    await server.passResult(pass);
    expect(server.engine.effects.map(({ operation }) => operation)).toEqual(["createAdapter", "forwardBackward"]);
  });

  test("fail with the reason when their model could not be created", async ({ expect }) => {
    await using server = new TestServer();
    const gate = server.engine.hold("createAdapter");
    server.engine.failNext("createAdapter", new Error("no room for another adapter"));
    const creation = await server.post("create_model", {
      session_id: await server.session(),
      model_seq_id: 0,
      base_model: "scripted/tiny",
      lora_config: { rank: 4 },
    });
    const pass = await server.pass(creation["model_id"] as string, 1);
    gate.open();
    expect(await server.result(creation)).toEqual({ error: "no room for another adapter", category: "server" });
    expect((await server.result(pass))["error"]).toContain("no room for another adapter");
    expect(await refusal(server.sendPass(creation["model_id"] as string, 2))).toMatchObject({ status: 404 });
  });

  test("of one model do not wait for those of another", async ({ expect }) => {
    await using server = new TestServer();
    const session = await server.session();
    const held = await server.model(session, 0);
    const free = await server.model(session, 1);
    await server.pass(held, 2);
    const { metrics } = await server.passResult(await server.pass(free, 1));
    expect(metrics["loss:sum"]).toBeGreaterThan(0);
    expect(server.engine.count("forwardBackward", held)).toBe(0);
  });

  test("go on after one that failed", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    server.engine.failNext("optimStep", new Error("out of memory"));
    const [failing, following] = [await server.step(model, 1), await server.step(model, 2)];
    expect(await server.result(failing)).toEqual({ error: "out of memory", category: "server" });
    expect(await server.result(following)).toEqual({ metrics: { "steps:max": 1 } });
  });

  test("without a number run in order of arrival", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const submitted = [];
    for (const token of [5, 6]) submitted.push(await server.pass(model, 0, { data: [datum(token)] }));
    for (const each of submitted) await server.passResult(each);
    expect(effects(server, model)).toEqual([5, 6]);
  });
});

describe("a gap in the numbers", () => {
  test("fails what waits behind it when nothing fills it, and lets the model go on", async ({ expect }) => {
    await using server = new TestServer({ limits: { gapTimeoutMs: 5000 } });
    const model = await server.model();
    const held = await server.pass(model, 3);
    const poll = server.retrieve(held["request_id"]);
    await server.clock.untilSleeping(2);
    server.clock.advance(5000);
    expect(await (await poll).json()).toEqual({
      error:
        "Operation 1 of this model did not arrive within 5 s, so the later ones that waited for it were given up. " +
        "Nothing of them took effect; go on with seq_id 4.",
      category: "server",
    });
    expect(await refusal(server.sendPass(model, 1))).toMatchObject({ status: 400 });
    await server.passResult(await server.pass(model, 4));
    expect(server.engine.count("forwardBackward")).toBe(1);
  });

  test("is waited for anew with every arrival", async ({ expect }) => {
    await using server = new TestServer({ limits: { gapTimeoutMs: 5000 } });
    const model = await server.model();
    const held = await server.pass(model, 3);
    server.clock.advance(4000);
    await server.pass(model, 2);
    server.clock.advance(4000);
    await server.pass(model, 1);
    expect((await server.passResult(held)).lossFnOutputs).toHaveLength(1);
    expect(server.clock.sleeping).toBe(0);
  });

  test("cannot be as wide as one likes", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    for (const seqId of [5000, 2 ** 31 - 1]) {
      expect(await refusal(server.sendPass(model, seqId))).toEqual({
        status: 400,
        detail: `seq_id ${seqId} is too far ahead: the next one due is 1, and at most 4095 may be waiting behind it.`,
      });
    }
  });
});

describe("a gap in the numbers, when the server has no room for more", () => {
  test("is filled all the same, or what waits behind it could never end", async ({ expect }) => {
    await using server = new TestServer({ limits: { pendingBytes: 1 } });
    const model = await server.model();
    const held = await server.pass(model, 2);
    expect((await server.sendPass(model, 3)).status).toBe(429);
    await server.passResult(await server.pass(model, 1));
    await server.passResult(held);
    expect(server.app.status.pendingBytes).toBe(0);
  });
});

describe("a refused submission uses up its number", () => {
  const bodies = {
    "an unknown loss": { loss_fn: "hinge" },
    "a datum without weights": {},
  };
  for (const [what, change] of Object.entries(bodies)) {
    test(`when it has ${what}, in JSON`, async ({ expect }) => {
      await using server = new TestServer();
      const model = await server.model();
      const following = await server.step(model, 2);
      const data = [
        {
          model_input: { chunks: [{ type: "encoded_text", tokens: [1] }] },
          loss_fn_inputs: { target_tokens: { data: [1], dtype: "int64" } },
        },
      ];
      const input = { data, loss_fn: "cross_entropy", ...change };
      const refused = server.send("forward_backward", { forward_backward_input: input, model_id: model, seq_id: 1 });
      expect((await refusal(refused)).status).toBe(400);
      expect(await server.result(following)).toEqual({ metrics: { "steps:max": 1 } });
    });
  }

  const malformed = {
    optim_step: { adam_params: { learning_rate: "fast" } },
    save_weights: { path: 7 },
    save_weights_for_sampler: { path: [] },
    load_weights: { path: 3, optimizer: true },
    forward: { forward_input: "none" },
  };
  for (const [route, fields] of Object.entries(malformed)) {
    test(`when it is a malformed ${route}`, async ({ expect }) => {
      await using server = new TestServer();
      const model = await server.model();
      const following = await server.step(model, 2);
      expect((await refusal(server.send(route, { model_id: model, seq_id: 1, ...fields }))).status).toBe(400);
      expect(await server.result(following)).toEqual({ metrics: { "steps:max": 1 } });
    });
  }

  test("when its body is too large", async ({ expect }) => {
    await using server = new TestServer({ limits: { bodyBytes: 1000 } });
    const model = await server.model();
    const following = await server.step(model, 2);
    const large = [datum(...Array<number>(1000).fill(1))];
    expect((await refusal(server.sendPass(model, 1, { data: large }))).status).toBe(413);
    expect(await server.result(following)).toEqual({ metrics: { "steps:max": 1 } });
  });

  test("when its protobuf body ends early", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const following = await server.step(model, 2);
    const whole = encodeForwardBackwardRequest({
      modelId: model,
      seqId: 1,
      data: [datum(1, 2, 3)],
      lossFn: "cross_entropy",
      forwardOnly: false,
    });
    expect((await refusal(server.sendPassBytes(whole.subarray(0, whole.length - 20)))).status).toBe(400);
    expect(await server.result(following)).toEqual({ metrics: { "steps:max": 1 } });
  });

  test("but not when the client is told to send it again", async ({ expect }) => {
    await using server = new TestServer({ limits: { pendingBytes: 1 } });
    const model = await server.model();
    const gate = server.engine.hold("optimStep");
    const first = await server.step(model, 1);
    const busy = await server.send("optim_step", { model_id: model, seq_id: 2 });
    expect([busy.status, busy.headers.get("retry-after")]).toEqual([429, "1"]);
    gate.open();
    await server.result(first);
    expect(await server.result(await server.step(model, 2))).toEqual({ metrics: { "steps:max": 2 } });
  });
});

describe("the same submission again", () => {
  test("gets the same future and takes effect once", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const first = await server.pass(model, 1);
    expect(await server.pass(model, 1)).toEqual(first);
    await server.passResult(first);
    expect(await server.pass(model, 1)).toEqual(first);
    expect(server.engine.count("forwardBackward")).toBe(1);
  });

  test("is known while it is held behind a gap", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const held = await server.step(model, 2);
    expect(await server.step(model, 2)).toEqual(held);
    await server.pass(model, 1);
    await server.result(held);
    expect(server.engine.count("optimStep")).toBe(1);
  });

  test("is known in another encoding and with its fields in another order", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const first = await server.pass(model, 1, { data: [datum(4, 5)] });
    const tensor = (data: readonly number[], dtype: string) => ({ dtype, data });
    const again = await server.post("forward_backward", {
      seq_id: 1,
      forward_backward_input: {
        loss_fn: "cross_entropy",
        data: [
          {
            loss_fn_inputs: { weights: tensor([1, 1], "float32"), target_tokens: tensor([4, 5], "int64") },
            model_input: { chunks: [{ type: "encoded_text", tokens: [4, 5] }] },
          },
        ],
      },
      model_id: model,
    });
    expect(again).toEqual(first);
  });

  test("with another payload is a conflict, and the first one stands", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const first = await server.step(model, 1, 1e-3);
    const changed = server.send("optim_step", { model_id: model, seq_id: 1, adam_params: { learning_rate: 1 } });
    expect((await refusal(changed)).status).toBe(409);
    expect((await refusal(server.sendPass(model, 1))).status).toBe(409);
    await server.result(first);
    expect(effects(server, model)).toEqual(["step"]);
  });

  test("of an unnamed save is known by its number, though it names another sampling session", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const save = (number: number) =>
      server.post("save_weights_for_sampler", { model_id: model, seq_id: 1, sampling_session_seq_id: number });
    const first = await save(0);
    expect(await save(1)).toEqual(first);
    expect((await server.result(first))["sampling_session_id"]).toMatch(/:sample:0$/);
    expect(server.engine.count("createSnapshot")).toBe(1);
  });

  test("of a creation gets the same model", async ({ expect }) => {
    await using server = new TestServer();
    const session = await server.session();
    const create = (rank: number) =>
      server.send("create_model", {
        session_id: session,
        model_seq_id: 0,
        base_model: "scripted/tiny",
        lora_config: { rank },
      });
    const first = (await (await create(8)).json()) as Json;
    expect(await (await create(8)).json()).toEqual(first);
    expect((await refusal(create(4))).status).toBe(409);
    await server.result(first);
    expect(server.engine.count("createAdapter")).toBe(1);
  });

  test("is refused once its result was forgotten, and takes no effect", async ({ expect }) => {
    await using server = new TestServer({ limits: { keptResults: 1 } });
    const model = await server.model();
    const first = await server.step(model, 1);
    await server.result(first);
    await server.result(await server.step(model, 2));
    const again = server.send("optim_step", { model_id: model, seq_id: 1, adam_params: { learning_rate: 1e-3 } });
    expect(await refusal(again)).toMatchObject({ status: 400 });
    expect(server.engine.count("optimStep")).toBe(2);
  });
});
