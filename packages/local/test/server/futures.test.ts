import { getEventListeners } from "node:events";
import { decodeForwardBackwardOutput } from "@tinkex/protocol";
import { describe, test } from "vitest";
import { ScriptedEngine, type BaseModel, type PassResult, type TrainingPass } from "../../src/index.ts";
import { FutureTable } from "../../src/server/futures.ts";
import { HandClock } from "./hand-clock.ts";
import { datum, refusal, TestServer, type Json } from "./test-server.ts";

describe("retrieve_future", () => {
  test("stays open while work runs, and is answered the moment it ends", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const gate = server.engine.hold("optimStep");
    const poll = server.retrieve((await server.step(model, 1))["request_id"]);
    await server.clock.untilSleeping(1);
    expect(server.app.status.futures).toMatchObject({ pending: 1, waiters: 1 });
    gate.open();
    expect(await (await poll).json()).toEqual({ metrics: { "steps:max": 1 } });
    expect(server.clock.sleeping).toBe(0);
    expect(server.app.status.futures.waiters).toBe(0);
  });

  test("says try_again when the work takes longer, and the next poll gets the result", async ({ expect }) => {
    await using server = new TestServer({ limits: { longPollMs: 20_000 } });
    const model = await server.model();
    const gate = server.engine.hold("optimStep");
    const submitted = await server.step(model, 1);
    const poll = server.result(submitted);
    await server.clock.untilSleeping(1);
    server.clock.advance(20_000);
    expect(await poll).toEqual({ type: "try_again", queue_state: "active" });
    gate.open();
    expect(await server.result(submitted)).toEqual({ metrics: { "steps:max": 1 } });
  });

  test("says why when the server is paused, and work starts when it resumes", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    server.app.pause("paused_capacity", "eleven others are before you");
    const submitted = await server.step(model, 1);
    const poll = server.result(submitted);
    await server.clock.untilSleeping(1);
    server.clock.advance(30_000);
    expect(await poll).toEqual({
      type: "try_again",
      queue_state: "paused_capacity",
      queue_state_reason: "eleven others are before you",
    });
    expect(server.engine.count("optimStep")).toBe(0);
    server.app.resume();
    expect(await server.result(submitted)).toEqual({ metrics: { "steps:max": 1 } });
  });

  test("in SkyRL's dialect says 408 and puts failures in a 400", async ({ expect }) => {
    await using server = new TestServer({ dialect: "skyrl" });
    const model = await server.model();
    const gate = server.engine.hold("optimStep");
    server.engine.failNext("optimStep", new Error("out of memory"));
    const submitted = await server.step(model, 1);
    const poll = refusal(server.retrieve(submitted["request_id"]));
    await server.clock.untilSleeping(1);
    server.clock.advance(30_000);
    expect((await poll).status).toBe(408);
    gate.open();
    expect(await refusal(server.retrieve(submitted["request_id"]))).toEqual({ status: 400, detail: "out of memory" });
  });

  test("wakes every poll of the same future", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const gate = server.engine.hold("optimStep");
    const submitted = await server.step(model, 1);
    const polls = [server.result(submitted), server.result(submitted), server.result(submitted)];
    await server.clock.untilSleeping(3);
    gate.open();
    expect(await Promise.all(polls)).toEqual(polls.map(() => ({ metrics: { "steps:max": 1 } })));
  });

  test("leaves nothing behind when its client goes away, and strands nobody else", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const gate = server.engine.hold("optimStep");
    const submitted = await server.step(model, 1);
    const leaving = new AbortController();
    const abandoned = server.retrieve(submitted["request_id"], { signal: leaving.signal });
    const staying = server.result(submitted);
    await server.clock.untilSleeping(2);
    leaving.abort();
    await abandoned;
    expect(server.app.status.futures.waiters).toBe(1);
    expect(server.clock.sleeping).toBe(1);
    gate.open();
    expect(await staying).toEqual({ metrics: { "steps:max": 1 } });
  });

  test("leaves no listener on a signal that outlives the poll", async ({ expect }) => {
    const clock = new HandClock();
    const futures = new FutureTable(clock, { keptResults: 10, keptResultBytes: 1e6 });
    const { signal } = new AbortController();
    const requestId = futures.open("Sample");
    const polls = [futures.wait(requestId, 100, signal), futures.wait(requestId, 200, signal)];
    clock.advance(100);
    expect(await polls[0]).toBeUndefined();
    futures.settle(requestId, { type: "json", text: "{}" });
    expect(await polls[1]).toEqual({ type: "json", text: "{}" });
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  test("gives a result as often as it is asked for", async ({ expect }) => {
    await using server = new TestServer();
    const submitted = await server.step(await server.model(), 1);
    const results = [await server.result(submitted), await server.result(submitted), await server.result(submitted)];
    expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1);
  });

  test("answers 404 for an id that never was", async ({ expect }) => {
    await using server = new TestServer();
    for (const requestId of ["", "x", "1", "a:b:c", "x".repeat(100_000)]) {
      const { status, detail } = await refusal(server.retrieve(requestId));
      expect(status).toBe(404);
      expect(detail.length).toBeLessThan(300);
    }
  });

  test("announces a large result by its size to a client that allows it", async ({ expect }) => {
    await using server = new TestServer({ limits: { metadataOnlyBytes: 100 } });
    const model = await server.model();
    const submitted = await server.pass(model, 1, { data: [datum(...Array<number>(50).fill(1))] });
    const bytes = await server.protobuf(submitted);
    const announced = await server.retrieve(submitted["request_id"], {}, { allow_metadata_only: true });
    expect(await announced.json()).toEqual({
      status: "complete_metadata",
      response_payload_size: bytes.byteLength,
    });
    const small = await server.step(model, 2);
    const direct = await server.retrieve(small["request_id"], {}, { allow_metadata_only: true });
    expect(await direct.json()).toEqual({ metrics: { "steps:max": 1 } });
  });

  test("has the JSON form of a pass for clients that do not accept protobuf", async ({ expect }) => {
    await using server = new TestServer();
    const submitted = await server.pass(await server.model(), 1);
    const binary = decodeForwardBackwardOutput(await server.protobuf(submitted));
    const json = await server.result(submitted);
    expect(json["metrics"]).toEqual(binary.metrics);
    const [output] = json["loss_fn_outputs"] as readonly { logprobs: Json }[];
    expect(output?.logprobs["data"]).toEqual([...(binary.lossFnOutputs[0]?.["logprobs"]?.data ?? [])]);
  });
});

/** Trains to numbers that are none: always in the metrics, and in the first token's logprob if it is 0. */
class NanEngine extends ScriptedEngine {
  override async forwardBackward(_id: string, { examples }: TrainingPass): Promise<PassResult> {
    const logprob = examples[0]?.tokens[0] === 0 ? Number.NaN : -1;
    return { logprobs: [new Float32Array([logprob])], metrics: { "loss:sum": Number.NaN, "tokens:sum": 1 } };
  }

  override async optimStep(): Promise<Record<string, number>> {
    return { "grad_norm:max": Number.NaN, "steps:max": 1 };
  }
}

describe("numbers that JSON does not have", () => {
  test("travel in protobuf, and are left out of JSON", async ({ expect }) => {
    await using server = new TestServer({ engine: new NanEngine() });
    const model = await server.model();
    expect(await server.result(await server.step(model, 1))).toEqual({ metrics: { "steps:max": 1 } });
    const finite = await server.pass(model, 2, { data: [datum(1)] });
    expect(await server.result(finite)).toMatchObject({ metrics: { "tokens:sum": 1 } });
    const submitted = await server.pass(model, 3, { data: [datum(0)] });
    expect((await server.passResult(submitted)).metrics["loss:sum"]).toBeNaN();
    expect(await server.result(submitted)).toEqual({
      error: expect.stringContaining("retrieve it with Accept: application/x-protobuf") as string,
      category: "server",
    });
  });
});

describe("results are forgotten", () => {
  test("in the order in which they were fetched, when more are kept than the limit", async ({ expect }) => {
    await using server = new TestServer({ limits: { keptResults: 2 } });
    const model = await server.model();
    const [first, second] = [await server.step(model, 1), await server.step(model, 2)];
    await server.result(second);
    await server.result(first);
    const third = await server.step(model, 3);
    await server.result(third);
    expect(await refusal(server.retrieve(second["request_id"]))).toMatchObject({
      status: 404,
      detail: expect.stringContaining("no longer kept") as string,
    });
    expect(await server.result(first)).toEqual({ metrics: { "steps:max": 1 } });
  });

  test("only after those that were fetched, when nobody fetched them", async ({ expect }) => {
    await using server = new TestServer({ limits: { keptResults: 2 } });
    const model = await server.model();
    const unfetched = await server.step(model, 1);
    for (const seqId of [2, 3, 4, 5]) await server.result(await server.step(model, seqId));
    expect(await server.result(unfetched)).toEqual({ metrics: { "steps:max": 1 } });
  });

  test("by their bytes too, so that memory does not grow", async ({ expect }) => {
    await using server = new TestServer({ limits: { keptResultBytes: 20_000 } });
    const model = await server.model();
    for (let seqId = 1; seqId <= 50; seqId += 1) {
      await server.protobuf(await server.pass(model, seqId, { data: [datum(...Array<number>(300).fill(1))] }));
      expect(server.app.status.futures.bytes).toBeLessThanOrEqual(20_000);
    }
  });

  test("with 410 for a sample, which clients draw again", async ({ expect }) => {
    await using server = new TestServer({ limits: { keptResults: 1 } });
    const sampler = await server.sampler(await server.session());
    const first = await server.sample(sampler, 0);
    const expected = (await server.sampleResult(first)).sequences;
    await server.sampleResult(await server.sample(sampler, 1));
    expect(await refusal(server.retrieve(first["request_id"]))).toMatchObject({ status: 410 });
    const again = await server.sample(sampler, 2);
    expect((await server.sampleResult(again)).sequences).toEqual(expected);
  });
});

describe("failed work", () => {
  const models: readonly BaseModel[] = [
    { name: "scripted/tiny", maxContextLength: 16, vocabularySize: 10, tokenizerFolder: "" },
  ];

  test("is the user's fault for a token outside the vocabulary", async ({ expect }) => {
    await using server = new TestServer({ engine: new ScriptedEngine({ baseModels: models }) });
    const model = await server.model();
    for (const token of [10, -1, 2 ** 31 - 1]) {
      const submitted = await server.pass(model, 0, { data: [datum(1, token)] });
      expect(await server.result(submitted)).toEqual({
        error: `token ${token} at position 1 is not in 0 to 9`,
        category: "user",
      });
    }
  });

  test("is the server's fault for anything unforeseen", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    server.engine.failNext("forwardBackward", new RangeError("Invalid array length"));
    expect(await server.result(await server.pass(model, 1))).toEqual({
      error: "Invalid array length",
      category: "server",
    });
  });
});
