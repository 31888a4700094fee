import { getEventListeners } from "node:events";
import { test } from "vitest";
import { PermitPool } from "../../src/concurrency/permit-pool.ts";
import { limitTime } from "../../src/concurrency/time-limit.ts";
import { ApiStatusError, DeadlineError, InvalidResponseError, RequestFailedError } from "../../src/errors.ts";
import { OperationProgress } from "../../src/futures/operation-progress.ts";
import { pollFuture } from "../../src/futures/poll-future.ts";
import type { FutureResult, FutureType } from "../../src/futures/poll-future.ts";
import { Transport } from "../../src/transport/transport.ts";
import { ScriptedServer, failure, json, sequence, sequenceThenRepeat } from "../support/scripted-server.ts";
import type { Handler } from "../support/scripted-server.ts";
import { VirtualRuntime, settle } from "../support/virtual-runtime.ts";

interface Poll {
  readonly server: ScriptedServer;
  readonly runtime: VirtualRuntime;
  readonly progress: OperationProgress;
  readonly responseBytes: PermitPool;
  readonly start: (signal?: AbortSignal, type?: FutureType) => Promise<FutureResult>;
}

function poll(handler: Handler, responseBytes = new PermitPool(1000)): Poll {
  const server = new ScriptedServer().on("/api/v1/retrieve_future", handler);
  const runtime = new VirtualRuntime(server.fetch);
  const transport = new Transport({ runtime, baseUrl: "http://server.test", apiKey: "tml-secret", headers: {} });
  const progress = new OperationProgress(1, "optimStep", runtime);
  progress.requestId = "future-1";
  progress.enter("submitted");
  const never = new AbortController().signal;
  const start = (signal = never, type: FutureType = "OptimStep"): Promise<FutureResult> =>
    pollFuture({ runtime, transport, responseBytes }, type, "future-1", { signal, progress });
  return { server, runtime, progress, responseBytes, start };
}

const done = (): Response => json({ metrics: {} });
const tryAgain = (extra = {}): Response => json({ type: "try_again", ...extra });

test("a server that answers 503 at once is asked at growing intervals, by default", async ({ expect }) => {
  const { server, runtime, start } = poll(
    sequence(
      () => failure(503),
      () => failure(503),
      () => failure(503),
      done,
    ),
  );
  const result = await runtime.run(start());
  expect(result.format).toBe("json");
  expect(runtime.sleeps).toEqual([500, 1000, 2000]);
  expect(server.log).toHaveLength(4);
});

test.for([
  ["503", (): Response => failure(503)],
  ["an instant 408", (): Response => failure(408)],
  ["an instant try_again", (): Response => tryAgain()],
  ["429", (): Response => failure(429)],
  ["402", (): Response => failure(402)],
  ["refused connections", (): Error => new Error("ECONNREFUSED")],
  ["an empty 400", (): Response => new Response(null, { status: 400 })],
] as const)(
  "a minute of %s takes at most 20 requests, and the deadline is always reached",
  async ([, answer], { expect }) => {
    const { server, runtime, start } = poll(() => answer());
    const expired = (): Error => new DeadlineError("optimStep", 60_000);
    using limit = limitTime(runtime, 60_000, expired);
    await expect(runtime.run(start(limit.signal))).rejects.toThrow(DeadlineError);
    expect(server.log.length).toBeGreaterThan(5);
    expect(server.log.length).toBeLessThanOrEqual(20);
    expect(runtime.pendingTimers).toBe(0);
  },
);

test("a long poll that the server held costs no extra wait", async ({ expect }) => {
  const held = async (_: unknown, count: number): Promise<Response> => {
    if (count === 3) return done();
    await runtime.sleep(40_000, { background: true });
    return count % 2 === 0 ? failure(408) : tryAgain();
  };
  const { runtime, start } = poll(held);
  await runtime.run(start());
  expect(runtime.sleeps).toEqual([]);
});

test("a poll that nobody answers is given up after 45 s and asked again at once", async ({ expect }) => {
  const { server, runtime, start } = poll((_, count) => (count === 0 ? new Promise<never>(() => undefined) : done()));
  await runtime.run(start());
  expect(server.log.map(({ at }) => at)).toEqual([0, 45_000]);
});

test("an answer that came sooner than the spacing waits only for the rest of it", async ({ expect }) => {
  const { runtime, start } = poll(async (_, count) => {
    if (count === 1) return done();
    await runtime.sleep(200, { background: true });
    return failure(408);
  });
  await runtime.run(start());
  expect(runtime.sleeps).toEqual([300]);
});

test("six expired long polls do not lengthen the wait after the first dropped connection", async ({ expect }) => {
  const { runtime, start } = poll((_, count) => {
    if (count < 6) return failure(408);
    return count === 6 ? new Error("ECONNRESET") : done();
  });
  await runtime.run(start());
  expect(runtime.sleeps.slice(6)).toEqual([500]);
});

test("a held poll proves the server well, and earlier trouble is forgotten", async ({ expect }) => {
  const script = sequence(
    () => failure(503),
    () => failure(503),
    async () => {
      await runtime.sleep(30_000, { background: true });
      return tryAgain();
    },
    () => failure(503),
    done,
  );
  const { runtime, start } = poll(script);
  await runtime.run(start());
  expect(runtime.sleeps).toEqual([500, 1000, 500]);
});

test("Retry-After is the next wait, exactly", async ({ expect }) => {
  const { runtime, start } = poll(
    sequence(
      () => failure(503, { "retry-after": "7" }),
      () => failure(429, { "retry-after-ms": "2500" }),
      done,
    ),
  );
  await runtime.run(start());
  expect(runtime.sleeps).toEqual([7000, 2500]);
});

test("aborting while it waits ends it with the signal's reason, and nothing is left", async ({ expect }) => {
  const { server, runtime, start } = poll(sequenceThenRepeat(() => failure(503)));
  const controller = new AbortController();
  const polling = start(controller.signal);
  await settle();
  const reason = new Error("enough");
  controller.abort(reason);
  await expect(polling).rejects.toBe(reason);
  await runtime.advance(600_000);
  expect(server.log).toHaveLength(1);
  expect(runtime.pendingTimers).toBe(0);
  expect(getEventListeners(controller.signal, "abort")).toHaveLength(0);
});

test("aborting while a request is under way ends it at once, though the server never answers", async ({ expect }) => {
  const { runtime, start } = poll(() => new Promise<never>(() => undefined));
  const controller = new AbortController();
  const polling = start(controller.signal);
  await settle();
  controller.abort("enough");
  await expect(polling).rejects.toBe("enough");
  expect(runtime.pendingTimers).toBe(0);
});

test("queue states in 408 and try_again show as the operation's state", async ({ expect }) => {
  const states: unknown[] = [];
  const note = (answer: Response): Response => {
    states.push([progress.state, progress.pauseReason]);
    return answer;
  };
  const { runtime, progress, start } = poll(
    sequence(
      () => note(json({ type: "try_again", queue_state: "paused_capacity" }, { status: 408 })),
      () => note(tryAgain({ queue_state: "paused_rate_limit", queue_state_reason: "too many models" })),
      () => note(tryAgain({ queue_state: "active" })),
      () => note(done()),
    ),
  );
  await runtime.run(start());
  expect(states).toEqual([
    ["submitted", undefined],
    ["paused", "paused_capacity"],
    ["paused", "too many models"],
    ["running", undefined],
  ]);
});

test("an answer that fails the work names who can mend it", async ({ expect }) => {
  const { runtime, start } = poll(() => json({ error: "token 99999 is outside the vocabulary", category: "user" }));
  const failed = await runtime.run(start()).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(RequestFailedError);
  expect(failed).toMatchObject({ category: "user", requestId: "future-1", retryable: false });
});

test("SkyRL's 400 for a failed future is a failure, not something to ask again", async ({ expect }) => {
  const { server, runtime, start } = poll(() => failure(400));
  await expect(runtime.run(start())).rejects.toThrow(RequestFailedError);
  expect(server.log).toHaveLength(1);
});

test.for([401, 403, 404, 410, 422])("%i is final", async (code, { expect }) => {
  const { server, runtime, start } = poll(() => failure(code));
  const failed = await runtime.run(start()).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(ApiStatusError);
  expect(failed).toMatchObject({ status: code });
  expect(server.log).toHaveLength(1);
});

test.for([
  ["malformed JSON", () => new Response("{", { headers: { "content-type": "application/json" } })],
  ["HTML", () => new Response("<html>", { headers: { "content-type": "text/html" } })],
  ["a JSON list", () => json([])],
  ["protobuf where JSON was due", () => new Response("x", { headers: { "content-type": "application/x-protobuf" } })],
] as const)("%s is a typed error", async ([, answer], { expect }) => {
  const { runtime, start } = poll(() => answer());
  await expect(runtime.run(start())).rejects.toThrow(InvalidResponseError);
});

test("a large result waits for room, is asked for in full, and gives the room back", async ({ expect }) => {
  const metadata = (): Response => json({ status: "complete_metadata", response_payload_size: 800 });
  const { server, runtime, responseBytes, start } = poll(sequence(metadata, done), new PermitPool(500));
  const held = await responseBytes.acquire(600);
  const polling = start();
  await settle();
  expect(server.log).toHaveLength(1);
  held.release();
  await runtime.run(polling);
  expect(server.log.map(({ body }) => body?.["allow_metadata_only"])).toEqual([true, false]);
  expect(responseBytes.inUse).toBe(0);
});

test("a poll that is aborted while it holds room for a large result gives it back", async ({ expect }) => {
  const metadata = (): Response => json({ status: "complete_metadata", response_payload_size: 800 });
  const { runtime, responseBytes, start } = poll(
    sequenceThenRepeat(metadata, () => failure(503)),
    new PermitPool(500),
  );
  const controller = new AbortController();
  const polling = start(controller.signal);
  await settle();
  expect(responseBytes.inUse).toBe(800);
  controller.abort("enough");
  await expect(polling).rejects.toBe("enough");
  expect(responseBytes.inUse).toBe(0);
  expect(runtime.pendingTimers).toBe(0);
});

test("five thousand answers of not-yet are followed by the result", async ({ expect }) => {
  const { server, runtime, start } = poll((_, count) => (count < 5000 ? tryAgain() : done()));
  await runtime.run(start());
  expect(server.log).toHaveLength(5001);
});
