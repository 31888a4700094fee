import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { explore, simulate, type ExploreOptions, type Sim, type SimRequest, type SimResponse } from "supertester";

/** Answers after a moment; refuses the third request once. */
function api(): (path: string) => { status: number; body: string } {
  let requests = 0;
  return (path) => {
    requests++;
    if (requests === 3) return { status: 429, body: "" };
    return { status: 200, body: path === "/token" ? '{"token":"t"}' : '{"ok":true}' };
  };
}

type Start = (name: string, client: () => Promise<number>) => Promise<number>;

/** Five clients share a token and two connections, and back off when told to: twenty events. */
async function fiveClients(base: string, start: Start): Promise<number> {
  let token: Promise<string> | undefined;
  let free = 2;
  const waiting: (() => void)[] = [];
  const client = async (): Promise<number> => {
    token ??= fetch(`${base}/token`).then(async (response) => ((await response.json()) as { token: string }).token);
    const authorization = await token;
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      for (let attempts = 1; ; attempts++) {
        const response = await fetch(`${base}/sample`, { method: "POST", headers: { authorization }, body: "{}" });
        if (response.status === 200) {
          await response.json();
          return attempts;
        }
        await response.text();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
  const attempts = await Promise.all(Array.from({ length: 5 }, (_, index) => start(`client ${index}`, client)));
  return attempts.reduce((sum, one) => sum + one, 0);
}

async function simulatedClients(sim: Sim): Promise<void> {
  const answer = api();
  sim.http("api.test", ({ path }: SimRequest): SimResponse => answer(path));
  if ((await fiveClients("http://api.test", (name, client) => sim.spawn(name, client))) !== 6)
    throw new Error("a request was lost or repeated");
}

export interface Throughput {
  readonly perSecond: number;
  /** Per second of processor time: the same where the machine has nothing else to do. */
  readonly perCpuSecond: number;
  readonly events: number;
}

/** Schedules per second of the five clients, simulated. */
export async function simulatedThroughput(
  strategy: NonNullable<ExploreOptions["strategy"]>,
  timeMs: number,
): Promise<Throughput> {
  const before = process.cpuUsage();
  const { runs, steps, ms } = await explore(simulatedClients, { strategy, runs: Infinity, timeMs });
  const { user, system } = process.cpuUsage(before);
  return { perSecond: (runs / ms) * 1000, perCpuSecond: (runs / (user + system)) * 1e6, events: steps / runs };
}

/** Runs per second of the same clients against a server on this machine, in real time. */
export async function realThroughput(timeMs: number): Promise<number> {
  let answer = api();
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      const { status, body } = answer(request.url ?? "");
      setTimeout(() => response.writeHead(status).end(body), 1);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, resolve);
  });
  const base = `http://localhost:${(server.address() as AddressInfo).port}`;
  const start = performance.now();
  let runs = 0;
  for (; performance.now() - start < timeMs; runs++) {
    answer = api();
    await fiveClients(base, (_, client) => client());
  }
  const perSecond = (runs / (performance.now() - start)) * 1000;
  server.closeAllConnections();
  server.close();
  return perSecond;
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

export interface Scale {
  readonly clients: number;
  readonly events: number;
  readonly ms: number;
  /** Growth of the process while it ran. */
  readonly rssMb: number;
  /** Kept on the heap afterwards. */
  readonly retainedMb: number;
}

/** One run with that many clients of ten requests each. */
export async function scale(clients: number, strategy: "natural" | "pct" | "random"): Promise<Scale> {
  collectGarbage();
  const before = process.memoryUsage();
  const body = async (sim: Sim): Promise<void> => {
    sim.http("api.test", () => ({ body: "ok" }));
    const client = async () => {
      for (let request = 0; request < 10; request++) await (await fetch("http://api.test/")).text();
    };
    await Promise.all(Array.from({ length: clients }, (_, index) => sim.spawn(`client ${index}`, client)));
  };
  const limits = { maxSteps: 10_000_000, maxVirtualMs: 1e12 };
  const start = performance.now();
  if (strategy === "natural") await simulate(body, limits);
  else await explore(body, { ...limits, strategy, runs: 1, timeMs: 60_000 });
  const ms = performance.now() - start;
  const rssMb = (process.memoryUsage().rss - before.rss) / 2 ** 20;
  collectGarbage();
  const retainedMb = (process.memoryUsage().heapUsed - before.heapUsed) / 2 ** 20;
  return { clients, events: clients * 21, ms, rssMb, retainedMb };
}
