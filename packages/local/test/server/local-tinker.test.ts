import { connect } from "node:net";
import { describe, test } from "vitest";
import { LocalTinker, ScriptedEngine } from "../../src/index.ts";

const session = JSON.stringify({ tags: [], user_metadata: {}, sdk_version: "0" });

/** A request to a server, by the given `fetch`. */
async function post(
  tinker: LocalTinker,
  path: string,
  body: string,
  send: typeof tinker.fetch = fetch,
  signal?: AbortSignal,
): Promise<Response> {
  const headers = { "x-api-key": tinker.apiKey };
  return await send(`${tinker.url}/api/v1/${path}`, { method: "POST", headers, body, ...(signal && { signal }) });
}

/** A model, and a step on it that the engine holds back. */
async function heldStep(tinker: LocalTinker, engine: ScriptedEngine) {
  const ask = async (path: string, body: object) =>
    (await (await post(tinker, path, JSON.stringify(body), tinker.fetch)).json()) as Record<string, string>;
  const { session_id } = await ask("create_session", { sdk_version: "0" });
  const plan = { session_id, model_seq_id: 0, base_model: "scripted/tiny", lora_config: { rank: 1 } };
  const { model_id } = await ask("create_model", plan);
  const gate = engine.hold("optimStep");
  const { request_id: requestId } = await ask("optim_step", { model_id, seq_id: 1 });
  await gate.arrived;
  return { gate, poll: JSON.stringify({ request_id: requestId }) };
}

/** Resolves when the server holds as many polls. */
async function untilWaiters(tinker: LocalTinker, count: number): Promise<void> {
  while (tinker.status.futures.waiters !== count) await new Promise((resolve) => setImmediate(resolve));
}

describe("a server on a socket", () => {
  test("listens on the loopback address only, asks for its key, and is gone after close", async ({ expect }) => {
    const tinker = await LocalTinker.start({ engine: new ScriptedEngine() });
    expect(tinker.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(tinker.apiKey).toMatch(/^tml-local-.{24}$/);
    expect((await post(tinker, "create_session", session)).status).toBe(200);
    expect((await fetch(`${tinker.url}/api/v1/sessions`)).status).toBe(401);
    await Promise.all([tinker.close(), tinker.close()]);
    await expect(post(tinker, "create_session", session)).rejects.toThrow("fetch failed");
  });

  test("gives every answer its length", async ({ expect }) => {
    await using tinker = await LocalTinker.start({ engine: new ScriptedEngine() });
    for (const [path, body, status] of [
      ["create_session", session, 200],
      ["create_session", "{", 400],
      ["nowhere", "", 404],
    ] as const) {
      const answer = await post(tinker, path, body);
      const text = await answer.text();
      expect([answer.status, answer.headers.get("content-length")]).toEqual([status, String(text.length)]);
    }
  });

  test("answers an open poll the moment work ends, and forgets one whose client left", async ({ expect }) => {
    const engine = new ScriptedEngine();
    await using tinker = await LocalTinker.start({ engine });
    const { gate, poll } = await heldStep(tinker, engine);
    const leaving = new AbortController();
    const abandoned = post(tinker, "retrieve_future", poll, fetch, leaving.signal).catch((error: unknown) => error);
    const staying = post(tinker, "retrieve_future", poll);
    await untilWaiters(tinker, 2);
    leaving.abort();
    expect(await abandoned).toBe(leaving.signal.reason);
    await untilWaiters(tinker, 1);
    gate.open();
    expect(await (await staying).json()).toEqual({ metrics: { "steps:max": 1 } });
  });

  test("breaks connections when a fault says so", async ({ expect }) => {
    await using tinker = await LocalTinker.start({ engine: new ScriptedEngine() });
    tinker.faults.add({ route: "create_session", kind: "reset" });
    tinker.faults.add({ route: "create_session", kind: "lost-answer" });
    tinker.faults.add({ route: "create_session", kind: "truncated-body" });
    tinker.faults.add({ route: "create_session", kind: "duplicate" });
    for (let time = 0; time < 2; time += 1) {
      await expect(post(tinker, "create_session", session)).rejects.toThrow("fetch failed");
      expect(tinker.status.sessions).toBe(time);
    }
    const cut = await post(tinker, "create_session", session);
    await expect(cut.text()).rejects.toThrow();
    expect((await post(tinker, "create_session", session)).status).toBe(200);
    expect(tinker.status.sessions).toBe(4);
  });

  test("answers open polls when it is closed, and cuts clients that say nothing", async ({ expect }) => {
    const engine = new ScriptedEngine();
    const tinker = await LocalTinker.start({ engine });
    const { gate, poll } = await heldStep(tinker, engine);
    const silent = connect(Number(new URL(tinker.url).port), "127.0.0.1");
    const cut = new Promise((resolve) => silent.once("close", resolve));
    const answer = post(tinker, "retrieve_future", poll);
    await untilWaiters(tinker, 1);
    const closing = tinker.close();
    gate.open();
    expect(await (await answer).json()).toEqual({ metrics: { "steps:max": 1 } });
    await closing;
    await cut;
  });

  test("takes the port it is given, and says so when that is taken", async ({ expect }) => {
    await using tinker = await LocalTinker.start({ engine: new ScriptedEngine() });
    const port = Number(new URL(tinker.url).port);
    await expect(LocalTinker.start({ engine: new ScriptedEngine(), port })).rejects.toThrow("EADDRINUSE");
  });
});

describe("a server in the process", () => {
  test("is reached by fetch alone", async ({ expect }) => {
    await using tinker = await LocalTinker.inProcess({ engine: new ScriptedEngine(), apiKey: "tml-mine" });
    expect([tinker.url, tinker.apiKey]).toEqual(["http://tinker.localhost", "tml-mine"]);
    expect((await post(tinker, "create_session", session, tinker.fetch)).status).toBe(200);
  });

  test("rejects an aborted request as fetch does, at once", async ({ expect }) => {
    const engine = new ScriptedEngine();
    await using tinker = await LocalTinker.inProcess({ engine });
    const { gate, poll } = await heldStep(tinker, engine);
    await expect(post(tinker, "retrieve_future", poll, tinker.fetch, AbortSignal.abort())).rejects.toThrow(
      expect.objectContaining({ name: "AbortError" }) as Error,
    );
    const leaving = new AbortController();
    const abandoned = post(tinker, "retrieve_future", poll, tinker.fetch, leaving.signal);
    await untilWaiters(tinker, 1);
    leaving.abort(new Error("enough"));
    await expect(abandoned).rejects.toThrow("enough");
    await untilWaiters(tinker, 0);
    gate.open();
  });

  test("disposes its engine, once, however often it is closed", async ({ expect }) => {
    let disposals = 0;
    class CountingEngine extends ScriptedEngine {
      override async [Symbol.asyncDispose](): Promise<void> {
        disposals += 1;
      }
    }
    const tinker = await LocalTinker.inProcess({ engine: new CountingEngine() });
    await Promise.all([tinker.close(), tinker.close()]);
    await tinker[Symbol.asyncDispose]();
    expect(disposals).toBe(1);
  });

  test("that cannot be built takes down what was put up already", async ({ expect }) => {
    const engine = new ScriptedEngine();
    await expect(LocalTinker.start({ engine, limits: { bodyBytes: -1 } })).rejects.toThrow("limits.bodyBytes");
    await expect(engine.dropAdapter("a")).rejects.toThrow("disposed");
    await expect(LocalTinker.inProcess({ engine, apiKey: "" })).rejects.toThrow("apiKey must not be empty");
  });
});
