import { Hono } from "hono";
import { stream } from "hono/streaming";
import { describe, test } from "vitest";
import { explore, simulate, type Fault, type Sim } from "../../src/index.ts";

describe("a mounted handler", () => {
  test("gets the request and answers with JSON, text or a real Response", async ({ expect }) => {
    await simulate(async (sim) => {
      sim.http("api.test", async (request) => {
        if (request.path === "/real") return new Response("real", { status: 201, headers: { "x-kind": "real" } });
        if (request.path === "/fails") throw new Error("handler broke");
        return {
          status: 202,
          headers: { "X-Kind": "light" },
          json: { method: request.method, headers: request.headers, body: request.json() },
        };
      });
      const light = await fetch("http://api.test/light?x=1", {
        method: "post",
        headers: { "X-A": "b" },
        body: '{"n":1}',
      });
      expect(light).toBeInstanceOf(Response);
      expect([light.status, light.ok, light.url, light.headers.get("x-kind")]).toEqual([
        202,
        true,
        "http://api.test/light?x=1",
        "light",
      ]);
      expect(await light.clone().json()).toEqual({
        method: "POST",
        headers: { "x-a": "b", "content-type": "text/plain;charset=UTF-8" },
        body: { n: 1 },
      });
      expect(light.bodyUsed).toBe(false);
      expect((await light.arrayBuffer()).byteLength).toBeGreaterThan(10);
      expect(light.bodyUsed).toBe(true);
      await expect(light.text()).rejects.toThrow("already been read");
      const real = await fetch(new Request("http://api.test/real"));
      expect([real.status, real.headers.get("x-kind"), await real.text(), real.url]).toEqual([
        201,
        "real",
        "real",
        "http://api.test/real",
      ]);
      expect((await fetch("http://api.test/fails")).status).toBe(500);
    });
  });

  test("is an event of its own: its latency and its work take virtual time", async ({ expect }) => {
    await simulate(async (sim) => {
      sim.http("slow.test", () => sim.sleep(30).then(() => ({})), { latency: [10, 20] });
      await fetch("http://slow.test/");
      expect(sim.now).toBe(40);
    });
  });
});

describe("a mounted application", () => {
  const app = new Hono();
  app.post("/echo", async (c) => c.json({ said: await c.req.json<unknown>() }));
  app.get("/ticks", (c) =>
    stream(c, async (out) => {
      for (let tick = 1; tick <= 3; tick++) {
        await out.sleep(100);
        await out.write(`tick ${tick}\n`);
      }
    }),
  );

  test("answers real requests, and its streams arrive chunk by chunk in virtual time", async ({ expect }) => {
    await simulate(
      async (sim) => {
        sim.http("app.test", app);
        const echo = await fetch("http://app.test/echo", {
          method: "POST",
          body: '"hello"',
          headers: { "content-type": "application/json" },
        });
        expect(await echo.json()).toEqual({ said: "hello" });
        const { body } = await fetch("http://app.test/ticks");
        const arrived: [string, number][] = [];
        const start = sim.now;
        for await (const chunk of body!) arrived.push([new TextDecoder().decode(chunk), sim.now - start]);
        expect(arrived.map(([text]) => text)).toEqual(["tick 1\n", "tick 2\n", "tick 3\n"]);
        expect(arrived.map(([, time]) => Math.round(time / 100))).toEqual([1, 2, 3]);
      },
      { latency: [1, 5] },
    );
  });

  test("learns that its client has gone, and its stream is cancelled", async ({ expect }) => {
    await simulate(async (sim) => {
      let cancelled = false;
      let aborted = false;
      sim.http("endless.test", {
        fetch: (request) => {
          request.signal.addEventListener("abort", () => (aborted = true));
          return new Response(
            new ReadableStream<Uint8Array>({
              async pull(controller) {
                await sim.sleep(10);
                if (!cancelled) controller.enqueue(new Uint8Array(1));
              },
              cancel: () => void (cancelled = true),
            }),
          );
        },
      });
      const abort = new AbortController();
      const { body } = await fetch("http://endless.test/", { signal: abort.signal });
      const reader = body!.getReader();
      await reader.read();
      abort.abort(new Error("enough"));
      await expect(reader.read()).rejects.toThrow("enough");
      await sim.eventually("the server knows", () => cancelled && aborted, 1000);
    });
  });

  test("a compressed body is decoded as Node's fetch does", async ({ expect }) => {
    const { gzipSync } = await import("node:zlib");
    const text = await simulate(async (sim) => {
      sim.http("zip.test", () => new Response(gzipSync("plain"), { headers: { "content-encoding": "gzip" } }));
      return (await fetch("http://zip.test/")).text();
    });
    expect(text).toBe("plain");
  });
});

test("aborting a request rejects with the reason at every point of its life, and leaves nothing behind", async ({
  expect,
}) => {
  const report = await explore(
    async (sim) => {
      sim.http("api.test", () => sim.sleep(5).then(() => ({})));
      const reason = new Error("changed my mind");
      const abort = new AbortController();
      const request = fetch("http://api.test/", { signal: abort.signal }).then(
        () => "answered",
        (error: unknown) => error,
      );
      await sim.io("decide");
      abort.abort(reason);
      const outcome = await request;
      if (outcome !== "answered" && outcome !== reason) throw new Error(`settled with ${String(outcome)}`);
      await expect(fetch("http://api.test/", { signal: abort.signal })).rejects.toBe(reason);
    },
    { timeMs: Infinity },
  );
  expect(report.coverage).toBe("exhausted");
});

describe("faults", () => {
  /** What a client sees, over all ways in which one fault is or is not injected. */
  async function outcomes(fault: Fault): Promise<string[]> {
    const seen = new Set<string>();
    let served = 0;
    const request = async (sim: Sim) => {
      served = 0;
      sim.http("api.test", () => (served++, { body: "0123456789" }), { faults: { allow: [fault] } });
      try {
        const response = await fetch("http://api.test/", { signal: AbortSignal.timeout(1000) });
        return `${response.status} ${await response.text()} ${response.headers.get("retry-after") ?? ""}`.trim();
      } catch (error) {
        const { message, cause } = error as Error;
        return `${message}${cause instanceof Error ? ` (${(cause as Error & { code: string }).code})` : ""}`;
      }
    };
    await explore(
      async (sim) => {
        const outcome = await request(sim);
        seen.add(`${outcome} / served ${served}`);
      },
      { leaks: "ignore" },
    );
    return [...seen].filter((outcome) => outcome !== "200 0123456789 / served 1");
  }

  test("each looks to the client as it does on a network", async ({ expect }) => {
    expect(await outcomes("reset-before")).toEqual(["fetch failed (ECONNRESET) / served 0"]);
    expect(await outcomes("reset-after")).toEqual(["fetch failed (ECONNRESET) / served 1"]);
    expect(await outcomes("hang")).toEqual(["The operation was aborted due to timeout / served 1"]);
    expect(await outcomes("truncate")).toEqual(["terminated (UND_ERR_SOCKET) / served 1"]);
    expect(await outcomes({ status: 503, retryAfter: 2 })).toEqual(["503  2 / served 0"]);
    expect(await outcomes("slow")).toEqual([]);
    expect(await outcomes("duplicate")).toContain("200 0123456789 / served 2");
  });

  test("a clock that jumps during a request is found by who measures with Date, and harms nobody else", async ({
    expect,
  }) => {
    const measure = (clock: () => number) =>
      explore(
        async (sim) => {
          sim.http("api.test", () => ({}), { faults: { allow: [{ clockJump: -60_000 }] } });
          const start = clock();
          await fetch("http://api.test/");
          if (clock() < start) throw new Error("the request took less than no time");
        },
        { timeMs: Infinity },
      );
    await expect(measure(() => Date.now())).rejects.toThrow("less than no time");
    await expect(measure(() => performance.now())).resolves.toMatchObject({ coverage: "exhausted" });
  });

  test("a doubled request that is still on its way when the body ends is not the body's leak", async ({ expect }) => {
    const report = await explore(
      async (sim) => {
        sim.http("api.test", () => ({}), { faults: { allow: ["duplicate"] } });
        await fetch("http://api.test/");
      },
      { timeMs: Infinity },
    );
    expect(report.coverage).toBe("exhausted");
  });
});
