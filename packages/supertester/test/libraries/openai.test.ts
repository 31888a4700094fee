import OpenAI from "openai";
import { test } from "vitest";
import type { Sim } from "../../src/index.ts";
import { exploredTwice } from "./explored.ts";

const words = ["virtual", " ", "time"];

/** Refuses the first request with 429 and a Retry-After of 20 s, then streams. */
function serve(sim: Sim): void {
  let requests = 0;
  sim.http("llm.test", {
    fetch() {
      if (++requests === 1) return new Response("{}", { status: 429, headers: { "retry-after": "20" } });
      const encoder = new TextEncoder();
      const body = new ReadableStream<Uint8Array>({
        async start(controller) {
          for (const content of words) {
            await sim.io("token");
            const chunk = { id: "c", object: "chat.completion.chunk", choices: [{ index: 0, delta: { content } }] };
            controller.enqueue(encoder.encode(`data: ${JSON.stringify(chunk)}\n\n`));
          }
          controller.enqueue(encoder.encode("data: [DONE]\n\n"));
          controller.close();
        },
      });
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    },
  });
}

test("openai's SDK obeys Retry-After and streams two answers at once", async ({ expect }) => {
  const { same, distinct } = await exploredTwice(async (sim, note) => {
    serve(sim);
    const client = new OpenAI({ apiKey: "none", baseURL: "http://llm.test/v1" });
    const ask = async (name: string) => {
      const messages = [{ role: "user", content: "?" }] as const;
      const stream = await client.chat.completions.create({ model: "m", stream: true, messages: [...messages] });
      let text = "";
      for await (const { choices } of stream) {
        text += choices[0]?.delta.content ?? "";
        note([name, text]);
      }
      expect(text).toBe(words.join(""));
    };
    await Promise.all([sim.spawn("A", () => ask("A")), sim.spawn("B", () => ask("B"))]);
    expect(sim.now).toBeGreaterThanOrEqual(20_000);
  });
  expect(same).toBe(true);
  expect(distinct).toBeGreaterThan(10);
});
