import assert from "node:assert/strict";
import { channel, subscribe, unsubscribe } from "node:diagnostics_channel";
import { EventEmitter } from "node:events";
import { createServer, get, type IncomingMessage } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { Pool, request } from "undici";
import { adopt, bind, currentTestId, scopeDispatcher } from "../../../src/index.ts";
import type { Scope } from "../../../src/index.ts";
import type { Member, Pair } from "./pair.ts";

const handled = channel("pairs:handled");
const publish = (n: number) => handled.publish({ n });

// One server for all tests, started by none of them.
const server = createServer((incoming: IncomingMessage, response) => {
  // After an await, as handlers are.
  setImmediate(() => {
    publish(Number(incoming.url?.slice(1)));
    response.end("done");
  });
}).listen(0, "127.0.0.1");
await once(server, "listening");
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

const barePool = new Pool(origin, { connections: 1 });
const scopedPool = scopeDispatcher(new Pool(origin, { connections: 1 }));

const emitter = new EventEmitter();
emitter.setMaxListeners(100);
const emitAll = () => void emitter.emit("tick");

type Job = () => void;
const queue: Job[] = [];

/** A worker loop that was started before any test and runs everybody's jobs. */
setInterval(() => {
  for (const job of queue.splice(0)) job();
}, 0);

interface MessageJob {
  readonly owner: string | undefined;
  readonly n: number;
}
const messages: MessageJob[] = [];
setInterval(() => {
  for (const { owner, n } of messages.splice(0)) adopt(owner, () => publish(n));
}, 0);

/** Both halves: `act` makes the application publish `handled` once for this member, somewhere else. */
function pair(promise: string, act: (member: Member, kit: boolean) => Promise<void>, count = 1): Pair {
  const expected = (n: number) => Array.from({ length: count }, () => ({ n }));
  return {
    promise,
    async bare(member) {
      const seen: unknown[] = [];
      const listen = (message: unknown) => void seen.push(message);
      subscribe("pairs:handled", listen);
      await act(member, false);
      await member.pause();
      unsubscribe("pairs:handled", listen);
      assert.deepEqual(seen, expected(member.n));
    },
    async kit(member, scope: Scope) {
      const seen = scope.capture("pairs:handled");
      await act(member, true);
      assert.deepEqual(await seen.exactly(count), expected(member.n));
    },
  };
}

async function read(url: string): Promise<void> {
  const [response] = (await once(get(url), "response")) as [IncomingMessage];
  response.resume();
  await once(response, "end");
}

export const pairs: readonly Pair[] = [
  pair("a shared HTTP server, asked with fetch", async ({ n }) => {
    await (await fetch(`${origin}/${n}`)).text();
  }),
  pair("a shared HTTP server, asked with node:http", ({ n }) => read(`${origin}/${n}`)),
  pair("a saturated undici pool", async ({ n }, kit) => {
    const { body } = await request(`${origin}/${n}`, { dispatcher: kit ? scopedPool : barePool });
    await body.text();
  }),
  {
    promise: "diagnostics of a saturated undici pool",
    async bare({ n }) {
      const seen: string[] = [];
      const listen = (message: unknown) => void seen.push((message as { request: { path: string } }).request.path);
      subscribe("undici:request:headers", listen);
      await (await request(`${origin}/${n}`, { dispatcher: barePool })).body.text();
      unsubscribe("undici:request:headers", listen);
      assert.deepEqual(seen, [`/${n}`]);
    },
    async kit({ n }, scope) {
      const seen = scope.capture<{ request: { path: string } }>("undici:request:headers");
      await (await request(`${origin}/${n}`, { dispatcher: scopedPool })).body.text();
      const { request: sent } = await seen.one();
      assert.equal(sent.path, `/${n}`);
    },
  },
  pair("a listener on a shared emitter", async ({ n, pause }, kit) => {
    const listener = () => publish(n);
    emitter.once("tick", kit ? bind(listener) : listener);
    await pause();
    // Whoever comes first emits for everybody.
    emitAll();
    await pause();
  }),
  pair("a job in a shared queue", async ({ n }, kit) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const job = () => {
      publish(n);
      resolve();
    };
    queue.push(kit ? bind(job) : job);
    await promise;
  }),
  pair("a message that carries the id", async ({ n }, kit) => {
    messages.push({ owner: kit ? currentTestId() : undefined, n });
    while (messages.length > 0) await new Promise((resolve) => void setTimeout(resolve, 1));
  }),
];
