import { test } from "vitest";
import { ClosedError, ConfigurationError, ServiceClient, TinkerError } from "../../src/index.ts";
import { sharedLimitsCount } from "../../src/session/shared-limits.ts";
import { connect } from "../support/connect.ts";
import { ScriptedServer, failure, json, sequence } from "../support/scripted-server.ts";
import { VirtualRuntime, gate, isPending, settle } from "../support/virtual-runtime.ts";

const samplers = (server: ScriptedServer): ScriptedServer =>
  server.on("/api/v1/create_sampling_session", (_, count) => json({ sampling_session_id: `sampler-${count}` }));

test("nothing is sent until a call needs it", async ({ expect }) => {
  const server = new ScriptedServer().withSession();
  const { service } = connect(server);
  await settle();
  expect(server.log).toHaveLength(0);
  await service.close();
  expect(server.log).toHaveLength(0);
});

test("clients made at the same time share one session, and wait until it is there", async ({ expect }) => {
  const created = gate<Response>();
  const server = samplers(new ScriptedServer().withSession()).on("/api/v1/create_session", () => created.promise);
  const { service, runtime } = connect(server);
  const clients = Array.from({ length: 20 }, () => service.createSamplingClient({ baseModel: "base" }));
  expect(await isPending(Promise.race(clients))).toBe(true);
  created.resolve(json({ session_id: "session" }));
  await runtime.run(Promise.all(clients));
  expect(server.requests("/api/v1/create_session")).toHaveLength(1);
  expect(server.requests("/api/v1/client/config")).toHaveLength(1);
  const numbers = server
    .requests("/api/v1/create_sampling_session")
    .map(({ body }) => body?.["sampling_session_seq_id"]);
  expect(numbers).toEqual(Array.from({ length: 20 }, (_, index) => index));
  await service.close();
});

test("a session that could not be created is tried again by the next call", async ({ expect }) => {
  const server = samplers(new ScriptedServer().withSession()).on(
    "/api/v1/create_session",
    sequence(
      () => failure(403),
      () => json({ session_id: "session" }),
    ),
  );
  const { service, runtime } = connect(server);
  await expect(runtime.run(service.createSamplingClient({ baseModel: "base" }))).rejects.toThrow("403");
  await runtime.run(service.createSamplingClient({ baseModel: "base" }));
  await service.close();
});

test("one caller's abort leaves the shared session to the others", async ({ expect }) => {
  const created = gate<Response>();
  const server = samplers(new ScriptedServer().withSession()).on("/api/v1/create_session", () => created.promise);
  const { service, runtime } = connect(server);
  const controller = new AbortController();
  const impatient = service.createSamplingClient({ baseModel: "base" }, { signal: controller.signal });
  const patient = service.createSamplingClient({ baseModel: "base" });
  await settle();
  controller.abort("enough");
  await expect(impatient).rejects.toBe("enough");
  created.resolve(json({ session_id: "session" }));
  await runtime.run(patient);
  await service.close();
});

test("a session whose creation was given up is never kept alive", async ({ expect }) => {
  const created = gate<Response>();
  const server = new ScriptedServer().withSession().on("/api/v1/create_session", () => created.promise);
  const { service, runtime } = connect(server);
  const controller = new AbortController();
  const creating = service.createSamplingClient({ baseModel: "base" }, { signal: controller.signal });
  await settle();
  controller.abort("enough");
  await expect(creating).rejects.toBe("enough");
  created.resolve(json({ session_id: "session" }));
  await runtime.advance(60_000);
  expect(server.requests("/api/v1/session_heartbeat")).toHaveLength(0);
  await service.close();
});

test("a session is kept alive every ten seconds, and a beat that hangs delays no other session", async ({ expect }) => {
  const stuck = samplers(new ScriptedServer().withSession()).on(
    "/api/v1/session_heartbeat",
    () => new Promise<never>(() => undefined),
  );
  const well = samplers(new ScriptedServer().withSession());
  const runtime = new VirtualRuntime((request, self) =>
    (new URL(request.url).hostname === "stuck.test" ? stuck : well).fetch(request, self),
  );
  const services = ["stuck", "well"].map(
    (host) => new ServiceClient({ apiKey: "tml-secret-key", baseUrl: `http://${host}.test`, env: {}, runtime }),
  );
  await runtime.run(Promise.all(services.map((service) => service.createSamplingClient({ baseModel: "base" }))));
  await runtime.advance(60_000);
  const beats = well.requests("/api/v1/session_heartbeat").map(({ at }) => at);
  expect(beats).toEqual([10_000, 20_000, 30_000, 40_000, 50_000, 60_000]);
  await Promise.all(services.map((service) => service.close()));
  const before = well.log.length + stuck.log.length;
  await runtime.advance(600_000);
  expect(well.log.length + stuck.log.length).toBe(before);
});

test("closing leaves no timer, no limits and no request behind", async ({ expect }) => {
  const server = samplers(new ScriptedServer().withModel());
  const { service, runtime } = connect(server);
  await runtime.run(service.createLoraTrainingClient({ baseModel: "base" }));
  await runtime.run(service.createSamplingClient({ baseModel: "base" }));
  await Promise.all([service.close(), service.close()]);
  expect(runtime.pendingTimers).toBe(0);
  expect(sharedLimitsCount(runtime)).toBe(0);
  const requests = server.log.length;
  await runtime.advance(3_600_000);
  expect(server.log).toHaveLength(requests);
  await expect(service.createSamplingClient({ baseModel: "base" })).rejects.toThrow(ClosedError);
});

test("destroying rejects what is under way with a ClosedError, at once", async ({ expect }) => {
  const server = new ScriptedServer()
    .withSession()
    .on("/api/v1/create_session", () => new Promise<never>(() => undefined));
  const { service, runtime } = connect(server);
  const creating = service.createSamplingClient({ baseModel: "base" });
  const outcome = creating.catch((error: unknown) => error);
  await settle();
  await service.destroy();
  expect(await outcome).toBeInstanceOf(ClosedError);
  expect(runtime.pendingTimers).toBe(0);
});

test("a pending call can be looked at: state, attempts, next retry, last failure", async ({ expect }) => {
  const server = new ScriptedServer().withSession().on("/api/v1/create_model", () => failure(503));
  const { service, runtime } = connect(server);
  const creating = service.createLoraTrainingClient({ baseModel: "base" }).catch((error: unknown) => error);
  await runtime.advance(600);
  const [row] = service.inFlight();
  expect(row).toMatchObject({ operation: "createModel", state: "queued", attempts: 2, ageMs: 600, nextRetryInMs: 900 });
  expect(row?.lastFailure).toContain("503");
  await service.destroy();
  await creating;
  expect(service.inFlight()).toEqual([]);
});

test("what cannot be right is refused at the door", ({ expect }) => {
  const make = (options: object) => (): unknown => new ServiceClient({ apiKey: "tml-x", env: {}, ...options });
  expect(() => new ServiceClient({ env: {} })).toThrow(ConfigurationError);
  expect(() => new ServiceClient({ env: {} })).toThrow(/TINKER_API_KEY/);
  expect(make({ baseUrl: "ftp://host" })).toThrow(/http:\/\//);
  expect(make({ baseUrl: "nonsense" })).toThrow(ConfigurationError);
  expect(make({ baseUrl: "http://user:pw@host" })).toThrow(ConfigurationError);
  expect(make({ deadlineMs: 0 })).toThrow(/deadlineMs/);
  expect(make({ submitTimeoutMs: Number.NaN })).toThrow(/submitTimeoutMs/);
  expect(make({ apiKey: "tml-line\nbreak" })).toThrow(ConfigurationError);
});

test("the environment fills in what the options leave out", async ({ expect }) => {
  const server = samplers(new ScriptedServer().withSession());
  const runtime = new VirtualRuntime(server.fetch);
  const env = {
    TINKER_API_KEY: "tml-from-env",
    TINKER_BASE_URL: "http://server.test/prefix/",
    TINKER_TAGS: "a, b,a",
    TINKER_PROJECT_ID: "project",
  };
  const prefixed = new ScriptedServer()
    .on("/prefix/api/v1/client/config", () => json({}))
    .on("/prefix/api/v1/create_session", () => json({ session_id: "session" }))
    .on("/prefix/api/v1/create_sampling_session", () => json({ sampling_session_id: "sampler" }));
  const service = new ServiceClient({
    env,
    runtime: Object.assign(runtime, { fetch: (r: Request) => prefixed.fetch(r, runtime) }),
  });
  await runtime.run(service.createSamplingClient({ baseModel: "base" }));
  const [created] = prefixed.requests("/prefix/api/v1/create_session");
  expect(created?.body).toMatchObject({ tags: ["a", "b"], project_id: "project" });
  expect(created?.headers.get("x-api-key")).toBe("tml-from-env");
  await service.close();
});

test("the key is in no error, even if the server or the network echoes it", async ({ expect }) => {
  const server = new ScriptedServer().on("/api/v1/client/config", () =>
    json({ detail: "bad key tml-secret-key" }, { status: 401 }),
  );
  const { service, runtime } = connect(server);
  const error = await runtime.run(service.getServerCapabilities()).catch((failed: unknown) => failed);
  const session = await runtime
    .run(service.createSamplingClient({ baseModel: "base" }))
    .catch((failed: unknown) => failed);
  for (const failed of [error, session]) {
    expect(TinkerError.isInstance(failed)).toBe(true);
    const { inspect } = await import("node:util");
    expect(inspect(failed, { depth: 10, showHidden: true })).not.toContain("tml-secret-key");
  }
  await service.destroy();
  const { inspect } = await import("node:util");
  expect(inspect(service, { depth: 10, showHidden: true })).not.toContain("tml-secret-key");
});
