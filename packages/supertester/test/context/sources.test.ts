import { AsyncResource } from "node:async_hooks";
import { execFile } from "node:child_process";
import { createHash, randomBytes, scrypt, webcrypto } from "node:crypto";
import { channel, subscribe } from "node:diagnostics_channel";
import { lookup } from "node:dns";
import { EventEmitter, on, once } from "node:events";
import { readFile, watch, writeFileSync } from "node:fs";
import { readFile as readFileAsync } from "node:fs/promises";
import { createServer } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setImmediate as immediate, setInterval as ticks, setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { MessageChannel, Worker } from "node:worker_threads";
import { describe, test } from "vitest";
import { currentScope, currentTestId, isolate, type Scope } from "../../src/index.ts";

/** Runs something asynchronous and calls `seen` from where its result arrives. */
type Source = (seen: () => void, scope: Scope) => unknown;

const callback =
  (start: (done: () => void) => unknown): Source =>
  (seen) =>
    new Promise<void>((resolve) => {
      start(() => {
        seen();
        resolve();
      });
    });

/** A promise that somebody else settles. */
const foreign = new EventEmitter();
setInterval(() => foreign.emit("tick"), 1).unref();

const sources: Readonly<Record<string, Source>> = {
  "a promise": async (seen) => {
    await Promise.resolve();
    seen();
  },
  "a thenable": async (seen) => {
    // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
    await { then: (resolve: (value: unknown) => void) => void setTimeout(resolve, 1) };
    seen();
  },
  "a promise that other code settles": async (seen) => {
    await once(foreign, "tick");
    seen();
  },
  setTimeout: callback((done) => setTimeout(done, 1)),
  setInterval: callback((done) => {
    const timer = setInterval(() => {
      clearInterval(timer);
      done();
    }, 1);
  }),
  setImmediate: callback((done) => setImmediate(done)),
  nextTick: callback((done) => process.nextTick(done)),
  queueMicrotask: callback((done) => queueMicrotask(done)),
  "timers/promises": async (seen) => {
    await sleep(1);
    await immediate();
    for await (const _ of ticks(1)) break;
    seen();
  },
  "AbortSignal.timeout": callback((done) => {
    AbortSignal.timeout(1).addEventListener("abort", done);
  }),
  "an emitter of its own": callback((done) => {
    const emitter = new EventEmitter().once("event", done);
    setTimeout(() => emitter.emit("event"), 1);
  }),
  "events.on": async (seen) => {
    for await (const _ of on(foreign, "tick")) break;
    seen();
  },
  "a stream pipeline": async (seen) => {
    await pipeline(
      Readable.from(["a", "b"]),
      new Transform({
        transform(chunk, _encoding, done) {
          seen();
          done(null, chunk);
        },
      }),
      async (chunks: AsyncIterable<unknown>) => {
        for await (const _ of chunks) seen();
      },
    );
  },
  fs: callback((done) => readFile(import.meta.filename, done)),
  "fs/promises": async (seen) => {
    await readFileAsync(import.meta.filename);
    seen();
  },
  "fs.watch": async (seen, scope) => {
    const directory = await scope.tmpDir();
    const watcher = watch(directory);
    const changed = callback((done) => watcher.once("change", done))(seen, scope);
    writeFileSync(join(directory, "file"), "");
    await changed;
    watcher.close();
  },
  dns: callback((done) => lookup("localhost", done)),
  zlib: callback((done) => gzip("text", done)),
  "crypto callbacks": callback((done) => scrypt("a", "b", 16, () => randomBytes(4, done))),
  webcrypto: async (seen) => {
    await webcrypto.subtle.digest("SHA-256", createHash("sha1").digest());
    seen();
  },
  readline: async (seen) => {
    for await (const _ of createInterface({ input: Readable.from(["line\n"]) })) seen();
  },
  "a server and a socket of its own": async (seen, scope) => {
    const server = createTcpServer((socket) => {
      seen();
      socket.end("bye");
    });
    const { port } = await scope.listen(server);
    const socket = connect(port, "127.0.0.1");
    socket.on("data", seen);
    await once(socket, "close");
  },
  "an HTTP server of its own and fetch": async (seen, scope) => {
    const { url } = await scope.listen(
      createServer((_request, response) => {
        seen();
        response.end("text");
      }),
    );
    await (await fetch(url)).text();
    seen();
  },
  "a message channel of its own": async (seen) => {
    const { port1, port2 } = new MessageChannel();
    const received = callback((done) => port1.once("message", done))(seen, undefined as never);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
    port2.postMessage("hello");
    await received;
    port1.close();
  },
  "a worker of its own": async (seen) => {
    const worker = new Worker("require('node:worker_threads').parentPort.postMessage(1)", { eval: true });
    worker.once("message", seen);
    await once(worker, "exit");
  },
  "a child process": async (seen) => {
    await promisify(execFile)(process.execPath, ["-e", ""]);
    seen();
  },
  AsyncResource: (seen) => {
    const resource = new AsyncResource("test");
    return sleep(1).then(() => resource.runInAsyncScope(seen));
  },
  "a diagnostics channel's subscriber, in the publisher's name": (seen) => {
    const name = `sources:${currentTestId()}`;
    subscribe(name, seen);
    channel(name).publish(1);
  },
};

describe("the owner survives", () => {
  for (const [name, source] of Object.entries(sources)) {
    test(`${name}, in two tests at once and in one after`, async ({ expect }) => {
      const run = (id: string) =>
        isolate({ id }, async (scope) => {
          const owners: string[] = [];
          await source(() => owners.push(currentScope().id), scope);
          expect(owners.length).toBeGreaterThan(0);
          expect(new Set(owners)).toEqual(new Set([id]));
        });
      await Promise.all([run("a"), run("b")]);
      await run("c");
      expect(() => currentScope()).toThrow(/no test owns/);
    });
  }
});
