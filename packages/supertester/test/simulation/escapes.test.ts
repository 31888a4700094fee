import { exec } from "node:child_process";
import { webcrypto } from "node:crypto";
import { createSocket } from "node:dgram";
import { lookup } from "node:dns";
import { readFile, watch, type FSWatcher } from "node:fs";
import { readFile as readFileAsync } from "node:fs/promises";
import { Socket } from "node:net";
import { connect } from "node:tls";
import { Worker } from "node:worker_threads";
import { deflate } from "node:zlib";
import { describe, test } from "vitest";
import { simulate, SimulationError, type SimBody } from "../../src/index.ts";
import { real } from "../../src/world/real.ts";

const here = import.meta.filename;

/** Ways out of a simulation, each of which Node reports. Handles that would keep the process alive are closed. */
const escapes: Record<string, (closed: (close: () => void) => void) => unknown> = {
  "fs callback": () => readFile(here, () => {}),
  "fs promise": () => readFileAsync(here),
  "fs.watch": (closed) => {
    const watcher: FSWatcher = watch(here, () => {});
    closed(() => watcher.close());
  },
  "raw socket": (closed) => {
    const socket = new Socket().connect(9, "127.0.0.1").on("error", () => {});
    closed(() => socket.destroy());
  },
  TLS: (closed) => {
    const socket = connect(9, "127.0.0.1").on("error", () => {});
    closed(() => socket.destroy());
  },
  UDP: (closed) => {
    const socket = createSocket("udp4").bind(0);
    closed(() => socket.close());
  },
  worker: (closed) => {
    const worker = new Worker("", { eval: true });
    closed(() => void worker.terminate());
  },
  dns: () => lookup("localhost", () => {}),
  zlib: () => deflate("text", () => {}),
  "web crypto": () => webcrypto.subtle.digest("SHA-256", new Uint8Array(1)),
  "child process": (closed) => {
    const child = exec("true");
    closed(() => child.kill());
  },
  MessageChannel: (closed) => {
    const { port1 } = new MessageChannel();
    closed(() => port1.close());
  },
  Blob: () => new Blob(["text"]).text(),
  "a timer captured early": (closed) => {
    const timer = real.setTimeout(() => {}, 1);
    closed(() => real.clearTimeout(timer));
  },
  "an immediate captured early": () => real.setImmediate(() => {}),
};

async function errorOf(body: SimBody): Promise<unknown> {
  return simulate(body).then(
    () => new Error("the simulation passed"),
    (error: unknown) => error,
  );
}

describe("leaving the simulation fails, and names the line", () => {
  for (const [name, escape] of Object.entries(escapes)) {
    test(`by ${name}`, async ({ expect }) => {
      let close = () => {};
      const error = await errorOf(async (sim) => {
        void escape((how) => {
          close = how;
        });
        await sim.sleep(1);
      });
      close();
      expect(error).toBeInstanceOf(SimulationError);
      expect(error).toMatchObject({ kind: "escape" });
      expect(String(error)).toMatch(/escapes\.test\.ts:\d+:\d+/);
    });
  }

  test("a host that is not mounted", async ({ expect }) => {
    const error = await errorOf(async () => void (await fetch("https://elsewhere.test/path")));
    expect(String(error)).toContain(
      'GET https://elsewhere.test/path would leave the simulation; mount it with sim.http("elsewhere.test"',
    );
  });

  test("what Node does not report shows by going on in real time", async ({ expect }) => {
    const wasm = (globalThis as unknown as { WebAssembly: { compile(bytes: Uint8Array): Promise<unknown> } })
      .WebAssembly;
    const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const error = await errorOf(async () => void (await wasm.compile(empty)));
    expect(error).toMatchObject({
      kind: "escape",
      message: expect.stringContaining("only after real time had passed"),
    });
  });
});

test("outside a simulation, and with escapes ignored, all of it is allowed", async ({ expect }) => {
  expect((await readFileAsync(here)).length).toBeGreaterThan(0);
  const size = await simulate(async () => (await readFileAsync(here)).length, { escapes: "ignore" });
  expect(size).toBeGreaterThan(0);
});
