import assert from "node:assert/strict";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env as importedEnv } from "node:process";
import type { Member, Pair } from "./pair.ts";

async function useEnv({ n, pause }: Member): Promise<void> {
  process.env["PAIRS_REGION"] = `region-${n}`;
  if (n % 2 === 0) delete process.env["PATH"];
  await pause();
  assert.equal(process.env["PAIRS_REGION"], `region-${n}`);
  assert.equal("PATH" in process.env, n % 2 === 1);
  assert.equal(Object.keys(process.env).includes("PATH"), n % 2 === 1);
  assert.equal({ ...process.env }["PAIRS_REGION"], `region-${n}`);
}

const fixedDirectory = join(tmpdir(), `supertester-pairs-${process.pid}`);

export const pairs: readonly Pair[] = [
  {
    promise: "process.env",
    async bare(member) {
      const path = process.env["PATH"];
      await useEnv(member).finally(() => (process.env["PATH"] = path));
    },
    kit: useEnv,
  },
  {
    promise: "process.env, imported by name",
    async bare({ n, pause }) {
      importedEnv["PAIRS_ZONE"] = String(n);
      await pause();
      assert.equal(importedEnv["PAIRS_ZONE"], String(n));
    },
    async kit({ n, pause }) {
      importedEnv["PAIRS_ZONE"] = String(n);
      await pause();
      assert.equal(importedEnv["PAIRS_ZONE"], String(n));
    },
  },
  {
    promise: "a clock",
    async bare({ n, pause }) {
      const { now } = Date;
      Date.now = () => n;
      await pause();
      const seen = Date.now();
      Date.now = now;
      assert.equal(seen, n);
    },
    options: ({ n }) => ({ clock: { epoch: n * 1000 } }),
    async kit({ n, pause }, { clock }) {
      let fired = 0;
      setTimeout(() => (fired = Date.now()), 100 + n);
      await pause();
      assert.equal(Date.now(), n * 1000);
      await clock.advance(1000);
      assert.deepEqual(
        [fired, Date.now(), new Date().getTime()],
        [n * 1000 + 100 + n, n * 1000 + 1000, n * 1000 + 1000],
      );
    },
  },
  {
    promise: "random numbers",
    async bare({ n, pause }) {
      const { random } = Math;
      Math.random = () => n / 10;
      await pause();
      const seen = Math.random();
      Math.random = random;
      assert.equal(seen, n / 10);
    },
    options: ({ n }) => ({ seed: n % 2 }),
    async kit({ n, pause }) {
      const drawn: unknown[] = [];
      for (let draw = 0; draw < 3; draw += 1) {
        drawn.push(Math.random(), crypto.randomUUID());
        await pause();
      }
      // Two seeds for eight members: the same numbers for the same seed, whoever else draws in between.
      const known = (drawnBySeed[n % 2] ??= drawn);
      assert.deepEqual(drawn, known);
      assert.notDeepEqual(drawn, drawnBySeed[1 - (n % 2)]);
    },
  },
  {
    promise: "a temporary directory",
    async bare({ n }) {
      await mkdir(fixedDirectory, { recursive: true });
      await writeFile(join(fixedDirectory, `${n}.txt`), "");
      const files = await readdir(fixedDirectory);
      await rm(fixedDirectory, { recursive: true, force: true });
      assert.deepEqual(files, [`${n}.txt`]);
    },
    async kit({ n }, scope) {
      const directory = await scope.tmpDir();
      await writeFile(join(directory, `${n}.txt`), "");
      assert.deepEqual(await readdir(directory), [`${n}.txt`]);
    },
  },
  {
    promise: "a port",
    async bare({ pause }) {
      const server = createServer();
      try {
        server.listen(fixedPort, "127.0.0.1");
        await once(server, "listening");
        await pause();
      } finally {
        server.close();
      }
    },
    async kit({ n }, scope) {
      const { url } = await scope.listen((_request, response) => response.end(String(n)));
      assert.equal(await (await fetch(url)).text(), String(n));
    },
  },
  {
    promise: "names that live elsewhere",
    async bare({ n, pause }) {
      const name = "queue";
      elsewhere.set(name, n);
      await pause();
      assert.equal(elsewhere.get(name), n);
    },
    async kit({ n, pause }, scope) {
      const name = scope.unique("queue");
      elsewhere.set(name, n);
      await pause();
      assert.equal(elsewhere.get(name), n);
    },
  },
];

const drawnBySeed: unknown[][] = [];
/** Stands for a broker or database that all tests talk to. */
const elsewhere = new Map<string, number>();
const fixedPort = await freePort();

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : 0;
}
