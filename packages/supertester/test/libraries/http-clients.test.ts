import { create as createAxios } from "axios";
import got from "got";
import ky from "ky";
import { test } from "vitest";
import { Agent, fetch as undiciFetch, request } from "undici";
import type { Sim, SimRequest, SimResponse } from "../../src/index.ts";
import { exploredTwice } from "./explored.ts";

/** Refuses the first request with 503 and echoes the others. */
function flaky(sim: Sim): { readonly paths: string[] } {
  const paths: string[] = [];
  sim.http("api.test", ({ path, method }: SimRequest): SimResponse => {
    paths.push(`${method} ${path}`);
    if (paths.length === 1) return { status: 503, headers: { "retry-after": "2" } };
    return { json: { path } };
  });
  return { paths };
}

/** Two requests of a client in two tasks, one of which is refused once; both must be answered in the end. */
async function bothAnswered(sim: Sim, get: (path: string) => Promise<unknown>): Promise<void> {
  const { paths } = flaky(sim);
  const answers = await Promise.all(["/a", "/b"].map((path) => sim.spawn(path, () => get(path))));
  if (JSON.stringify(answers) !== JSON.stringify([{ path: "/a" }, { path: "/b" }]))
    throw new Error(`got ${JSON.stringify(answers)}`);
  if (paths.length !== 3) throw new Error(`${paths.length} requests were sent`);
}

test("ky retries after what the server says", async ({ expect }) => {
  const { same, distinct } = await exploredTwice((sim, note) =>
    bothAnswered(sim, async (path) => {
      const answer = await ky(`http://api.test${path}`, { timeout: false }).json();
      note(path);
      return answer;
    }),
  );
  expect(same).toBe(true);
  expect(distinct).toBeGreaterThan(10);
});

test("got retries over in-memory sockets", async ({ expect }) => {
  const { same, distinct } = await exploredTwice(
    (sim, note) =>
      bothAnswered(sim, async (path) => {
        const answer = await got(`http://api.test${path}`).json();
        note(path);
        return answer;
      }),
    20,
  );
  expect(same).toBe(true);
  expect(distinct).toBeGreaterThan(5);
});

for (const adapter of ["fetch", "http"] as const) {
  test(`axios works with its ${adapter} adapter`, async ({ expect }) => {
    const { same, distinct } = await exploredTwice(async (sim, note) => {
      const client = createAxios({ baseURL: "http://api.test", adapter, validateStatus: () => true });
      await bothAnswered(sim, async (path) => {
        for (;;) {
          const { status, data } = await client.get<unknown>(path);
          note([path, status]);
          if (status === 200) return data;
          await sim.sleep(2000);
        }
      });
    }, 20);
    expect(same).toBe(true);
    expect(distinct).toBeGreaterThan(5);
  });
}

async function viaFetch(path: string, dispatcher: Agent): Promise<[number, string]> {
  const response = await undiciFetch(`http://api.test${path}`, { dispatcher });
  return [response.status, await response.text()];
}

async function viaRequest(path: string, dispatcher: Agent): Promise<[number, string]> {
  const { statusCode, body } = await request(`http://api.test${path}`, { dispatcher });
  return [statusCode, await body.text()];
}

test("undici's request and fetch work with an agent of their own", async ({ expect }) => {
  const { same, distinct } = await exploredTwice(async (sim, note) => {
    const dispatcher = new Agent({ connections: 1 });
    await bothAnswered(sim, async (path) => {
      for (;;) {
        const [status, text] = await (path === "/a" ? viaFetch(path, dispatcher) : viaRequest(path, dispatcher));
        note([path, status]);
        if (status === 200) return JSON.parse(text) as unknown;
        await sim.sleep(2000);
      }
    });
    await dispatcher.destroy();
    // undici's timeouts live in a list of the process, and only its half-second tick takes cleared ones out.
    await sim.sleep(2000);
  }, 20);
  expect(same).toBe(true);
  expect(distinct).toBeGreaterThan(5);
});
