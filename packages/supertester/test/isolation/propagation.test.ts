import { AsyncResource } from "node:async_hooks";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { createServer as createTcpServer } from "node:net";
import { promisify } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { MessageChannel, SHARE_ENV, Worker } from "node:worker_threads";
import { describe, test } from "vitest";
import { testIdFor } from "../../src/isolation/propagation/http.ts";
import { adopt, bind, currentScope, currentTestId, isolate, testIdHeader, testIdVariable } from "../../src/index.ts";

const run = promisify(execFile);
const outside = new AsyncResource("outside of every test");

describe("child processes", () => {
  test("inherit the test's environment and its id", async ({ expect }) => {
    await isolate(async (scope) => {
      process.env["CHILD_SEES"] = "overlay";
      const { stdout } = await run(process.execPath, [
        "-p",
        `process.env.CHILD_SEES + " " + process.env.${testIdVariable}`,
      ]);
      expect(stdout.trim()).toBe(`overlay ${scope.key}`);
    });
  });

  test("know whose they are, where they use the kit", async ({ expect }) => {
    await isolate(async (scope) => {
      const source = `import { currentTestId } from ${JSON.stringify(new URL("../../src/index.ts", import.meta.url).href)}; console.log(currentTestId());`;
      const { stdout } = await run(process.execPath, ["--input-type=module", "-e", source]);
      expect(stdout.trim()).toBe(scope.key);
    });
  });

  test("answer over IPC in the test that started them", async ({ expect }) => {
    await isolate(async (scope) => {
      const child = spawn(process.execPath, ["-e", "process.send('ready')"], {
        stdio: ["ignore", "ignore", "ignore", "ipc"],
      });
      const answered = new Promise((resolve) => child.once("message", () => resolve(currentScope())));
      expect(await answered).toBe(scope);
      await once(child, "exit");
    });
  });
});

describe("worker threads", () => {
  test("get the test's environment and its id, unless they bring their own", async ({ expect }) => {
    await isolate(async (scope) => {
      process.env["WORKER_SEES"] = "overlay";
      const source = `require("node:worker_threads").parentPort.postMessage([process.env.WORKER_SEES, process.env.${testIdVariable}])`;
      const said = async (options: object) => {
        const worker = new Worker(source, { eval: true, ...options });
        const [message] = (await once(worker, "message")) as [unknown];
        await worker.terminate();
        return message;
      };
      expect(await said({})).toEqual(["overlay", scope.key]);
      expect(await said({ env: { WORKER_SEES: "own" } })).toEqual(["own", undefined]);
      expect(await said({ env: SHARE_ENV })).toEqual([undefined, undefined]);
    });
  });

  test("a listener on a shared worker is the test's when bound, and a message can carry the id there and back", async ({
    expect,
  }) => {
    const source = `const { parentPort } = require("node:worker_threads"); parentPort.on("message", (m) => parentPort.postMessage(m));`;
    const shared = new Worker(source, { eval: true });
    const adopted: unknown[] = [];
    shared.on("message", ({ owner }: { owner: string }) => adopt(owner, () => adopted.push(currentScope().id)));
    await Promise.all(
      ["a", "b"].map((id) =>
        isolate({ id }, async () => {
          const { promise, resolve } = Promise.withResolvers<string>();
          const owner = currentTestId();
          const listener = bind((message: { owner: string }) => message.owner === owner && resolve(currentScope().id));
          shared.on("message", listener);
          // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
          shared.postMessage({ owner });
          expect(await promise).toBe(id);
          shared.off("message", listener);
        }),
      ),
    );
    expect(new Set(adopted)).toEqual(new Set(["a", "b"]));
    await shared.terminate();
  });
});

describe("HTTP", () => {
  test("a server that was started outside handles each request as part of the test that sent it, keep-alive or not", async ({
    expect,
  }) => {
    const server = createServer((_request, response) => {
      setImmediate(() => response.end(currentTestId()));
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) =>
        isolate({ id: `client ${n}`, leaks: "off" }, async (scope) => {
          const texts = [];
          for (let round = 0; round < 3; round += 1) texts.push(await (await fetch(`http://127.0.0.1:${port}`)).text());
          return texts.every((text) => text === scope.key);
        }),
      ),
    );
    expect(answers).toEqual(answers.map(() => true));
    expect(await (await fetch(`http://127.0.0.1:${port}`)).text()).toBe("");
    server.close();
    server.closeAllConnections();
  });

  test("pipelined requests of different owners on one connection keep apart", async ({ expect }) => {
    const owners: (string | undefined)[] = [];
    const server = createServer((_request, response) => {
      owners.push(currentTestId());
      response.end();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as { port: number };
    const { connect } = await import("node:net");
    const keys = await isolate(async (a) =>
      isolate(async (b) => {
        const socket = connect(port, "127.0.0.1");
        const request = (key?: string) =>
          `GET / HTTP/1.1\r\nhost: x\r\n${key === undefined ? "" : `${testIdHeader}: ${key}\r\n`}\r\n`;
        socket.write(request(a.key) + request() + request(b.key) + request("st-unknown"));
        while (owners.length < 4) await once(socket, "data");
        socket.destroy();
        await once(socket, "close");
        return [a.key, b.key];
      }),
    );
    server.close();
    expect(owners).toEqual([keys[0], undefined, keys[1], undefined]);
  });

  test("fetch sends the id to this machine only", async ({ expect }) => {
    await isolate((scope) => {
      const local = ["http://localhost:80/a", "http://127.0.0.1", "http://api.localhost", "http://[::1]:3000/"];
      expect(local.map(testIdFor)).toEqual(local.map(() => scope.key));
      const elsewhere = [
        "http://example.com",
        "http://127.0.0.1.example.com",
        "https://localhost.example.com",
        "not a url",
        "",
      ];
      expect(elsewhere.map(testIdFor)).toEqual(elsewhere.map(() => undefined));
    });
  });

  test("the id never leaves this machine", async ({ expect }) => {
    await isolate(async (scope) => {
      const seen: (string | undefined)[] = [];
      const { server, port } = await scope.listen(createTcpServer());
      server.on("connection", (socket) =>
        socket.once("data", (data) => {
          seen.push(new RegExp(`${testIdHeader}: (.*)\r`).exec(String(data))?.[1]);
          socket.end("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
        }),
      );
      // Names that resolve here and look as if they did not.
      const { get, Agent } = await import("node:http");
      const agent = new Agent();
      for (const host of ["localhost", "example.com", "127.0.0.1.example.com"]) {
        const request = get({
          host,
          port,
          agent,
          lookup: (_name, _options, done) =>
            (done as (error: null, all: object[]) => void)(null, [{ address: "127.0.0.1", family: 4 }]),
        });
        const [response] = (await once(request, "response")) as [IncomingMessage];
        response.resume();
        await once(response, "close");
      }
      agent.destroy();
      expect(seen).toEqual([scope.key, undefined, undefined]);
    });
  });
});

test("a message port's listener belongs to nobody until it is bound", async ({ expect }) => {
  const { port1, port2 } = new MessageChannel();
  const arrived = Promise.withResolvers<string | undefined>();
  await isolate({ leaks: "off" }, async (scope) => {
    port1.on(
      "message",
      bind(() => arrived.resolve(currentTestId())),
    );
    await new Promise((resolve) => void setImmediate(resolve));
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port has no origin
    port2.postMessage("hello");
    expect(await arrived.promise).toBe(scope.key);
  });
  port1.close();
});

test("an async generator that somebody else advances runs as theirs, until its next() is bound", async ({ expect }) => {
  async function* owners(): AsyncGenerator {
    for (;;) yield currentTestId();
  }
  await isolate(async (scope) => {
    const [loose, kept] = [owners(), owners()];
    const next = bind(() => kept.next());
    const answers = outside.runInAsyncScope(() => Promise.all([loose.next(), next()]));
    expect((await answers).map(({ value }) => value)).toEqual([undefined, scope.key]);
  });
});

test("a finalizer belongs to nobody until it is bound", async ({ expect }) => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  await isolate(async (scope) => {
    const seen: unknown[] = [];
    const note = (): unknown => seen.push(currentTestId());
    const registries = [new FinalizationRegistry(note), new FinalizationRegistry(bind(note))];
    for (const registry of registries) registry.register({}, "gone");
    while (seen.length < 2) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(new Set(seen)).toEqual(new Set([undefined, scope.key]));
  });
});

test("an id that nobody knows is carried on without a scope", ({ expect }) => {
  adopt("st-elsewhere", () => {
    expect(currentTestId()).toBe("st-elsewhere");
    expect(() => currentScope()).toThrow(/no test owns the code/);
  });
  adopt(undefined, () => expect(() => currentScope()).toThrow());
});
