import { createHash, pbkdf2, pbkdf2Sync, webcrypto } from "node:crypto";
import { createReadStream, readFile } from "node:fs";
import { mkdtemp, open, readFile as read, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip, gzip, createGzip } from "node:zlib";
import { test } from "vitest";
import { explore, simulate, type SimBody } from "../../src/index.ts";

test("file, zlib and crypto calls run for real, and their completions are explored events", async ({ expect }) => {
  const folder = await mkdtemp(join(tmpdir(), "supertester-gate-"));
  const runs = new Map<string, number>();
  const body: SimBody = async (sim) => {
    const order: string[] = [];
    const file = join(folder, "file");
    await writeFile(file, "contents");
    await Promise.all([
      read(file, "utf8").then((text) => order.push(text)),
      promisify(readFile)(file).then((bytes) => order.push(String(bytes.length))),
      promisify(gzip)("text")
        .then((bytes) => promisify(gunzip)(bytes))
        .then((text) => order.push(String(text))),
      webcrypto.subtle
        .digest("SHA-256", Buffer.from("x"))
        .then((hash) => order.push(Buffer.from(hash).toString("hex").slice(0, 4))),
      promisify(pbkdf2)("secret", "salt", 1, 2, "sha256").then((key) => order.push(key.toString("hex"))),
    ]);
    const handle = await open(file);
    order.push((await handle.read(Buffer.alloc(4))).buffer.toString());
    await handle.close();
    let streamed = "";
    for await (const chunk of createReadStream(file)) streamed += String(chunk);
    order.push(streamed);
    expect(createHash("sha256").update("x").digest("hex").slice(0, 4)).toBe("2d71");
    expect(order.toSorted()).toEqual(
      [
        "2d71",
        "8",
        "cont",
        "contents",
        "contents",
        pbkdf2Sync("secret", "salt", 1, 2, "sha256").toString("hex"),
        "text",
      ].toSorted(),
    );
    const key = `${sim.now} ${order.join()}`;
    runs.set(key, (runs.get(key) ?? 0) + 1);
  };
  for (let repeat = 0; repeat < 2; repeat++)
    await explore(body, { escapes: "gate", strategy: "random", runs: 12, timeMs: 20_000 });
  // The second round repeated each schedule of the first, whatever the disk did.
  expect([...runs.values()].every((count) => count % 2 === 0)).toBe(true);
  expect(runs.size).toBeGreaterThan(8);
  await rm(folder, { recursive: true });
});

test("completions are delivered in the order of the calls, whatever was faster", async ({ expect }) => {
  const order = await simulate(
    async () => {
      const done: string[] = [];
      const slow = promisify(pbkdf2)("secret", "salt", 20_000, 2, "sha256").then(() => done.push("slow"));
      const fast = read(import.meta.filename).then(() => done.push("fast"));
      await Promise.all([slow, fast]);
      return done;
    },
    { escapes: "gate" },
  );
  expect(order).toEqual(["slow", "fast"]);
});

test("errors come back through the gate, and what cannot be gated still fails", async ({ expect }) => {
  await simulate(
    async () => {
      await expect(read("/does/not/exist")).rejects.toMatchObject({ code: "ENOENT" });
      await expect(promisify(readFile)("/does/not/exist")).rejects.toMatchObject({ code: "ENOENT" });
    },
    { escapes: "gate" },
  );
  const streaming = simulate(
    async (sim) => {
      createGzip().end("text");
      await sim.sleep(1);
    },
    { escapes: "gate" },
  );
  await expect(streaming).rejects.toMatchObject({ kind: "escape" });
});
