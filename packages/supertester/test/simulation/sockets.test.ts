import { createServer, get, type Server } from "node:http";
import { connect, createServer as createNetServer, type AddressInfo } from "node:net";
import got from "got";
import { describe, test } from "vitest";
import { explore, ScheduleFailure, simulate, type Sim } from "../../src/index.ts";

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(0, resolve);
  });
  return (server.address() as AddressInfo).port;
}

function text(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(url, (response) => {
      let all = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (all += chunk));
      response.on("end", () => resolve(all));
    }).on("error", reject);
  });
}

describe("sockets stay in memory", () => {
  test("a node:http server and client talk, and close when asked to", async ({ expect }) => {
    await simulate(async (sim) => {
      const server = createServer((request, response) => {
        void sim.sleep(5).then(() => response.end(`hello ${request.url}`));
      });
      const port = await listening(server);
      expect(await text(`http://localhost:${port}/you`)).toBe("hello /you");
      await new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      });
      // Not at once: until the news has arrived, the client's agent would use the old connection again.
      await sim.sleep(500);
      await expect(text(`http://localhost:${port}/again`)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    });
  });

  test("a plain TCP connection keeps its bytes in order and half-closes", async ({ expect }) => {
    await simulate(async (sim) => {
      const server = createNetServer({ allowHalfOpen: true }, (socket) => {
        let all = "";
        socket.on("data", (chunk: Buffer) => (all += chunk.toString()));
        socket.on("end", () => socket.end(all.toUpperCase()));
      });
      await new Promise<void>((resolve) => {
        server.listen(7000, resolve);
      });
      const socket = connect(7000, "localhost");
      socket.write("one ");
      await sim.sleep(3);
      socket.write("two ");
      socket.end("three");
      let answer = "";
      for await (const chunk of socket) answer += String(chunk);
      expect(answer).toBe("ONE TWO THREE");
      server.close();
    });
  });

  test("a mounted host answers clients that do not use fetch", async ({ expect }) => {
    for (let run = 0; run < 2; run++) {
      const answer = await simulate(async (sim: Sim) => {
        sim.http("api.test", (request) => ({ json: { sent: request.json() } }));
        return got.post("http://api.test/", { json: { run } }).json();
      });
      expect(answer).toEqual({ sent: { run } });
    }
  });

  test("a host that nobody serves fails the run", async ({ expect }) => {
    await expect(simulate(() => text("http://elsewhere.test/"))).rejects.toMatchObject({
      kind: "escape",
      message: expect.stringContaining("elsewhere.test:80 would leave the simulation"),
    });
  });

  test("a lost update inside a node:http server is found", async ({ expect }) => {
    const failure = explore(async (sim) => {
      let hits = 0;
      const server = createServer((_, response) => {
        const before = hits;
        void sim.io("database").then(() => {
          hits = before + 1;
          response.end();
        });
      });
      const port = await listening(server);
      await Promise.all(["A", "B"].map((name) => sim.spawn(name, () => text(`http://localhost:${port}/`))));
      server.close();
      server.closeAllConnections();
      if (hits !== 2) throw new Error(`counted ${hits} of 2`);
    });
    await expect(failure).rejects.toThrow(ScheduleFailure);
    await expect(failure).rejects.toThrow("counted 1 of 2");
  });
});
