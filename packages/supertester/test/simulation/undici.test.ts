import { Agent, fetch as undiciFetch, request } from "undici";
import { describe, test } from "vitest";
import { explore, simulate, type Sim } from "../../src/index.ts";

function mount(sim: Sim): void {
  sim.http("api.test", {
    fetch: async (incoming) => {
      const { pathname } = new URL(incoming.url);
      if (pathname !== "/stream")
        return Response.json({ pathname, sent: await incoming.text(), key: incoming.headers.get("x-key") });
      const words = ["one ", "two ", "three"];
      return new Response(
        new ReadableStream<string>({
          async pull(controller) {
            await sim.sleep(10);
            const word = words.shift();
            if (word === undefined) controller.close();
            else controller.enqueue(word);
          },
        }).pipeThrough(new TextEncoderStream()),
      );
    },
  });
}

describe("undici, unmodified", () => {
  test("reaches mounted hosts through the simulation's dispatcher", async ({ expect }) => {
    await simulate(async (sim) => {
      mount(sim);
      const dispatcher = sim.dispatcher() as unknown as Agent;
      const plain = await request("http://api.test/a?b=c", {
        dispatcher,
        method: "POST",
        body: "text",
        headers: { "X-Key": "k" },
      });
      expect([plain.statusCode, await plain.body.json()]).toEqual([200, { pathname: "/a", sent: "text", key: "k" }]);
      const streamed = await request("http://api.test/stream", { dispatcher });
      expect(await streamed.body.text()).toBe("one two three");
      const fetched = await undiciFetch("http://api.test/f", { dispatcher, method: "PUT", body: "more" });
      expect(await fetched.json()).toEqual({ pathname: "/f", sent: "more", key: null });
    });
  });

  test("reaches them with its own agent, over sockets in memory", async ({ expect }) => {
    await simulate(async (sim) => {
      mount(sim);
      const agent = new Agent({ connections: 1 });
      const bodies = await Promise.all(
        ["/a", "/b"].map(async (path) => (await request(`http://api.test${path}`, { dispatcher: agent })).body.json()),
      );
      expect(bodies).toMatchObject([{ pathname: "/a" }, { pathname: "/b" }]);
      await agent.close();
    });
  });

  test("aborts, and sees what breaks, like on a network", async ({ expect }) => {
    const report = await explore(async (sim) => {
      mount(sim);
      const dispatcher = sim.dispatcher() as unknown as Agent;
      const abort = new AbortController();
      const outcome = request("http://api.test/stream", { dispatcher, signal: abort.signal })
        .then(({ body }) => body.text())
        .catch((error: Error) => error.message);
      await sim.io("decide", undefined, { latency: [1, 60] });
      abort.abort(new Error("enough"));
      expect(["one two three", "enough"]).toContain(await outcome);
    });
    expect(report.distinct).toBeGreaterThan(3);
    await expect(
      simulate((sim) => request("http://elsewhere.test/", { dispatcher: sim.dispatcher() as unknown as Agent })),
    ).rejects.toMatchObject({ kind: "escape" });
  });
});
