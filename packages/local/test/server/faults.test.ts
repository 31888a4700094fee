import { describe, test } from "vitest";
import { type FaultRule } from "../../src/index.ts";
import { refusal, TestServer } from "./test-server.ts";

const session = { tags: [], user_metadata: {}, sdk_version: "0" };

describe("a fault", () => {
  test("status: answers without handling, with Retry-After when asked to, as often as it says", async ({ expect }) => {
    await using server = new TestServer();
    server.app.faults.add({ route: "create_session", kind: "status", status: 429, retryAfterSeconds: 3, times: 2 });
    for (let time = 0; time < 2; time += 1) {
      const answer = await server.send("create_session", session);
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "3"]);
    }
    expect(server.app.status.sessions).toBe(0);
    expect((await server.send("create_session", session)).status).toBe(200);
    expect(server.app.faults.injected).toEqual([
      { route: "create_session", kind: "status" },
      { route: "create_session", kind: "status" },
    ]);
    expect(server.app.faults.pending).toBe(0);
  });

  test("delay: handles later, on the server's clock", async ({ expect }) => {
    await using server = new TestServer();
    server.app.faults.add({ route: "create_session", kind: "delay", ms: 700 });
    const answer = server.send("create_session", session);
    await server.clock.untilSleeping(1);
    expect(server.app.status.sessions).toBe(0);
    server.clock.advance(700);
    expect((await answer).status).toBe(200);
  });

  test("reset: breaks the connection before anything happens", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    server.app.faults.add({ route: "optim_step", kind: "reset" });
    await expect(server.step(model, 1)).rejects.toMatchObject({
      message: "fetch failed",
      cause: { code: "ECONNRESET" },
    });
    expect(server.engine.count("optimStep")).toBe(0);
    await server.result(await server.step(model, 1));
  });

  test("lost-answer: the work is done, and sending it again finds it", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    server.app.faults.add({ route: "optim_step", kind: "lost-answer" });
    await expect(server.step(model, 1)).rejects.toThrow("fetch failed");
    expect(await server.result(await server.step(model, 1))).toEqual({ metrics: { "steps:max": 1 } });
    expect(server.engine.count("optimStep")).toBe(1);
  });

  test("duplicate: the request is handled twice and takes effect once", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    const sampler = await server.sampler(await server.session());
    for (const route of ["forward_backward", "optim_step", "asample"]) {
      server.app.faults.add({ route, kind: "duplicate" });
    }
    await server.passResult(await server.pass(model, 1));
    await server.result(await server.step(model, 2));
    await server.tokens(sampler, 0);
    expect(["forwardBackward", "optimStep", "sample"].map((each) => server.engine.count(each as "sample"))).toEqual([
      1, 1, 1,
    ]);
  });

  test("slow-body: the answer trickles, whole in the end", async ({ expect }) => {
    await using server = new TestServer();
    server.app.faults.add({ route: "client/config", kind: "slow-body", ms: 100, parts: 3 });
    const answer = await server.send("client/config", { sdk_version: "0" });
    const body = answer.json();
    for (let part = 0; part < 3; part += 1) {
      await server.clock.untilSleeping(1);
      server.clock.advance(100);
    }
    expect(await body).toMatchObject({ use_pyqwest_transport: false });
  });

  test("truncated-body: the answer breaks off, and its length says that something is missing", async ({ expect }) => {
    await using server = new TestServer();
    server.app.faults.add({ route: "client/config", kind: "truncated-body" });
    const answer = await server.send("client/config", { sdk_version: "0" });
    expect(Number(answer.headers.get("content-length"))).toBeGreaterThan(100);
    await expect(answer.text()).rejects.toThrow();
  });
});

describe("fault rules", () => {
  test("apply one after the other, and after as many requests as they say", async ({ expect }) => {
    await using server = new TestServer();
    const { faults } = server.app;
    faults.add({ route: "sessions/*", kind: "status", status: 500 });
    faults.add({ route: "*", kind: "status", status: 502, after: 1 });
    const statuses = [];
    for (const path of ["sessions", "sessions/a", "sessions/a", "sessions", "sessions"]) {
      statuses.push((await server.fetch(path)).status);
    }
    expect(statuses).toEqual([200, 500, 502, 200, 200]);
    faults.add({ route: "*", kind: "reset", times: 100 });
    faults.clear();
    expect(faults.pending + faults.injected.length).toBe(0);
    expect((await server.fetch("sessions")).status).toBe(200);
  });

  test("come before the key is checked, as a gateway's do", async ({ expect }) => {
    await using server = new TestServer();
    server.app.faults.add({ route: "sessions", kind: "status", status: 503 });
    const answer = server.app.fetch(new Request("http://tinker.local/api/v1/sessions"));
    expect((await refusal(answer)).status).toBe(503);
  });

  test("that could never apply are refused", async ({ expect }) => {
    await using server = new TestServer();
    const bad: readonly (readonly [object, string])[] = [
      [{ route: "asampel", kind: "reset" }, 'route "asampel" does not begin with any of'],
      [{ route: "", kind: "reset" }, "does not begin with any of"],
      [{ route: "asample", kind: "explode" }, 'kind "explode" is none of'],
      [{ route: "asample", kind: "reset", times: 0 }, "times must be a whole number of at least 1"],
      [{ route: "asample", kind: "reset", after: -1 }, "after must be a whole number of at least 0"],
      [{ route: "asample", kind: "status", status: 200 }, "status must be 400 to 599"],
      [{ route: "asample", kind: "delay", ms: Number.NaN }, "ms must be at least 0"],
    ];
    for (const [rule, reason] of bad) expect(() => server.app.faults.add(rule as FaultRule)).toThrow(reason);
    expect(server.app.faults.pending).toBe(0);
  });
});
