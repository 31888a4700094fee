import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "vitest";
import { DiskCheckpointStore, type CheckpointStore } from "../../src/index.ts";
import { loraAlpha } from "../../src/engine/engine.ts";
import { Checkpoints } from "../../src/server/checkpoints/checkpoints.ts";
import { HandClock } from "./hand-clock.ts";
import { refusal, TestServer, type Json } from "./test-server.ts";

/** A folder of its own for one test. */
async function folder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), "tinkex-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function save(
  server: TestServer,
  model: string,
  seqId: number,
  name: string,
  fields: Json = {},
): Promise<string> {
  const body = { model_id: model, seq_id: seqId, path: name, ...fields };
  const { path, error } = await server.result(await server.post("save_weights", body));
  if (path === undefined) throw new Error(String(error));
  return path as string;
}

/** What the present weights sample. */
async function drawn(server: TestServer, model: string, seqId: number): Promise<readonly number[]> {
  const body = { model_id: model, seq_id: seqId, sampling_session_seq_id: seqId + 1000 };
  const { sampling_session_id: id } = await server.result(await server.post("save_weights_for_sampler", body));
  return await server.tokens(id as string, 0);
}

const stores: Readonly<Record<string, (path: string) => Promise<Partial<{ checkpoints: CheckpointStore }>>>> = {
  "in memory": async () => ({}),
  "on disk": async (path) => ({ checkpoints: await DiskCheckpointStore.open(path) }),
};

for (const [where, open] of Object.entries(stores)) {
  describe(`a checkpoint ${where}`, () => {
    test("brings the weights back, and the optimizer's state when that is wanted", async ({ expect }) => {
      await using disk = await folder();
      await using server = new TestServer(await open(disk.path));
      const model = await server.model();
      await server.step(model, 1);
      const path = await save(server, model, 2, "one");
      const then = await drawn(server, model, 3);
      await server.result(await server.step(model, 4));
      expect(await drawn(server, model, 5)).not.toEqual(then);

      const load = (seqId: number, optimizer: boolean) =>
        server.post("load_weights", { model_id: model, seq_id: seqId, path, optimizer });
      expect(await server.result(await load(6, true))).toEqual({ path, model_id: model });
      expect(await drawn(server, model, 7)).toEqual(then);
      expect(await server.result(await server.step(model, 8))).toEqual({ metrics: { "steps:max": 2 } });
      await load(9, false);
      expect(await server.result(await server.step(model, 10))).toEqual({ metrics: { "steps:max": 1 } });
    });

    test("may be loaded before its save has ended, by the same model", async ({ expect }) => {
      await using disk = await folder();
      await using server = new TestServer(await open(disk.path));
      const model = await server.model();
      const path = `tinker://${model}/weights/one`;
      const load = await server.post("load_weights", { model_id: model, seq_id: 2, path, optimizer: true });
      await save(server, model, 1, "one");
      expect(await server.result(load)).toEqual({ path, model_id: model });
    });

    test("makes a new model in one request", async ({ expect }) => {
      await using disk = await folder();
      await using server = new TestServer(await open(disk.path));
      const session = await server.session();
      const model = await server.model(session);
      await server.step(model, 1);
      const path = await save(server, model, 2, "one");
      const body = { session_id: session, model_seq_id: 7, path, optimizer: true };
      const created = await server.post("load_weights", body);
      expect(await server.post("load_weights", body)).toEqual(created);
      const copy = `${session}:train:7`;
      expect(await server.result(created)).toEqual({ path, model_id: copy });
      expect(await drawn(server, copy, 1)).toEqual(await drawn(server, model, 3));
      expect(await server.result(await server.step(copy, 2))).toEqual({ metrics: { "steps:max": 2 } });
      const misfit = { ...body, model_seq_id: 8, base_model: "another" };
      expect((await refusal(server.send("load_weights", misfit))).status).toBe(400);
    });

    test("is kept under its name: overwritten only when asked to", async ({ expect }) => {
      await using disk = await folder();
      await using server = new TestServer(await open(disk.path));
      const model = await server.model();
      const path = await save(server, model, 1, "one");
      await expect(save(server, model, 2, "one")).rejects.toThrow("exists already");
      await server.step(model, 3);
      const now = await drawn(server, model, 4);
      expect(await save(server, model, 5, "one", { overwrite: true })).toBe(path);
      await server.step(model, 6);
      await server.post("load_weights", { model_id: model, seq_id: 7, path, optimizer: true });
      expect(await drawn(server, model, 8)).toEqual(now);
    });

    test("expires with its time to live, which can be changed and taken away", async ({ expect }) => {
      await using disk = await folder();
      await using server = new TestServer({ ...(await open(disk.path)), limits: { sessionExpiryMs: 1e9 } });
      const model = await server.model();
      for (const [index, name] of ["short", "longer", "kept"].entries()) {
        await save(server, model, index + 1, name, { ttl_seconds: 60 });
      }
      const ttl = (name: string, seconds: number | null) =>
        server.fetch(`training_runs/${model}/checkpoints/weights/${name}/ttl`, {
          method: "PUT",
          body: JSON.stringify({ ttl_seconds: seconds }),
        });
      expect((await ttl("longer", 120)).status).toBe(200);
      expect((await ttl("kept", null)).status).toBe(200);
      expect((await refusal(ttl("kept", 0))).status).toBe(400);
      const names = async () => {
        const { checkpoints } = await server.get(`training_runs/${model}/checkpoints`);
        return (checkpoints as readonly { checkpoint_id: string }[]).map((each) => each.checkpoint_id).toSorted();
      };
      server.clock.advance(60_000);
      expect(await names()).toEqual(["weights/kept", "weights/longer"]);
      server.clock.advance(60_000);
      expect(await names()).toEqual(["weights/kept"]);
      expect((await refusal(ttl("short", 60))).status).toBe(404);
    });
  });
}

describe("a checkpoint's name", () => {
  const bad = [
    "",
    ".",
    "..",
    "../x",
    "a/b",
    "a\\b",
    ".hidden",
    "a b",
    "a:b",
    "ä",
    "a\0b",
    "a".repeat(201),
    "/etc/passwd",
  ];
  for (const name of bad) {
    test(`cannot be ${JSON.stringify(name.slice(0, 20))}, and the number is used up`, async ({ expect }) => {
      await using server = new TestServer();
      const model = await server.model();
      for (const [index, route] of ["save_weights", "save_weights_for_sampler"].entries()) {
        const { status, detail } = await refusal(
          server.send(route, { model_id: model, seq_id: index + 1, path: name }),
        );
        expect([status, detail]).toEqual([400, expect.stringContaining("is not a checkpoint name")]);
      }
      await server.result(await server.step(model, 3));
      expect(server.engine.count("exportState")).toBe(0);
    });
  }

  test("can be any of letters, digits, underscore, hyphen and dot", async ({ expect }) => {
    await using disk = await folder();
    await using server = new TestServer({ checkpoints: await DiskCheckpointStore.open(disk.path) });
    const model = await server.model();
    const names = ["0001", "final.v2", "A-b_c.json", "-x", "_", "a".repeat(200)];
    for (const [index, name] of names.entries()) await save(server, model, index + 1, name);
    const reopened = await DiskCheckpointStore.open(disk.path);
    expect(reopened.found.map((record) => record.name).toSorted()).toEqual(names.toSorted());
  });
});

describe("loading", () => {
  test("fails with the reason when the checkpoint is not there, or does not fit", async ({ expect }) => {
    await using server = new TestServer();
    const session = await server.session();
    const model = await server.model(session);
    const path = await save(server, model, 1, "one");
    const small = await server.post("create_model", {
      session_id: session,
      model_seq_id: 1,
      base_model: "scripted/tiny",
      lora_config: { rank: 4 },
    });
    const load = (modelId: unknown, seqId: number, from: string) =>
      server.post("load_weights", { model_id: modelId, seq_id: seqId, path: from, optimizer: true });
    expect(await server.result(await load(small["model_id"], 1, path))).toEqual({
      error: `${path} has rank 8, but ${session}:train:1 has 4. Create the model with the checkpoint's settings.`,
      category: "user",
    });
    const missing = await server.result(await load(model, 2, `tinker://${model}/weights/two`));
    expect([missing["category"], missing["error"]]).toEqual([
      "user",
      expect.stringContaining("There is no checkpoint"),
    ]);
    const wrong = server.send("load_weights", {
      model_id: model,
      seq_id: 3,
      path: `tinker://${model}/sampler_weights/one`,
      optimizer: true,
    });
    expect((await refusal(wrong)).detail).toContain("cannot be trained on");
  });
});

describe("managing checkpoints", () => {
  test("lists them, newest first, for a run and for all", async ({ expect }) => {
    await using server = new TestServer();
    const session = await server.session();
    const [one, two] = [await server.model(session, 0), await server.model(session, 1)];
    await save(server, one, 1, "a");
    server.clock.advance(1000);
    await save(server, two, 1, "b", { ttl_seconds: 60 });
    server.clock.advance(1000);
    await server.result(await server.post("save_weights_for_sampler", { model_id: one, seq_id: 2, path: "c" }));
    const { checkpoints, cursor } = await server.get("checkpoints?limit=2&offset=1");
    expect(cursor).toEqual({ offset: 1, limit: 2, total_count: 3 });
    expect(checkpoints).toEqual([
      {
        checkpoint_id: "weights/b",
        checkpoint_type: "training",
        time: "2026-01-01T00:00:01.000Z",
        tinker_path: `tinker://${two}/weights/b`,
        size_bytes: expect.any(Number) as number,
        public: false,
        expires_at: "2026-01-01T00:01:01.000Z",
      },
      expect.objectContaining({ checkpoint_id: "weights/a" }),
    ]);
    const run = await server.get(`training_runs/${one}`);
    expect(run).toMatchObject({
      training_run_id: one,
      base_model: "scripted/tiny",
      is_lora: true,
      lora_rank: 8,
      last_checkpoint: { checkpoint_id: "weights/a" },
      last_sampler_checkpoint: { checkpoint_id: "sampler_weights/c", checkpoint_type: "sampler" },
    });
    const { training_runs: runs, cursor: at } = await server.get("training_runs?limit=1&access_scope=accessible");
    expect(at).toEqual({ offset: 0, limit: 1, total_count: 2 });
    expect(runs).toMatchObject([{ training_run_id: two }]);
    expect((await refusal(server.fetch("training_runs/nobody"))).status).toBe(404);
  });

  test("tells what one holds", async ({ expect }) => {
    await using server = new TestServer();
    const path = await save(server, await server.model(), 1, "a");
    expect(await server.post("weights_info", { tinker_path: path })).toEqual({
      base_model: "scripted/tiny",
      is_lora: true,
      lora_rank: 8,
      train_unembed: true,
      train_mlp: true,
      train_attn: true,
    });
    expect((await refusal(server.send("weights_info", { tinker_path: `${path}2` }))).status).toBe(404);
    expect((await refusal(server.send("weights_info", { tinker_path: "/etc/passwd" }))).status).toBe(400);
  });

  test("publishes, unpublishes and deletes, with the id's slash as it is or encoded", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    await save(server, model, 1, "a");
    await save(server, model, 2, "publish");
    const at = (id: string, method: string) => server.fetch(`training_runs/${model}/checkpoints/${id}`, { method });
    expect((await at("weights/a/publish", "POST")).status).toBe(200);
    expect((await refusal(at("weights%2Fa/publish", "POST"))).status).toBe(409);
    expect(await server.get("checkpoints")).toMatchObject({
      checkpoints: [{ checkpoint_id: "weights/a", public: true }, { public: false }],
    });
    expect((await at("weights/a/publish", "DELETE")).status).toBe(200);
    expect((await at("weights%2Fpublish", "DELETE")).status).toBe(200);
    expect((await at("weights/a", "DELETE")).status).toBe(200);
    expect((await refusal(at("weights/a", "DELETE"))).status).toBe(404);
    expect(await server.get("checkpoints")).toMatchObject({ checkpoints: [] });
    for (const id of ["a", "secrets/a", "weights/a/b/c", "weights/..%2F..%2Fx", "%zz", "weights/%E0%A4%A"]) {
      expect((await refusal(at(id, "DELETE"))).status).toBeOneOf([400, 404]);
    }
    expect((await refusal(at("weights/a/nonsense", "PUT"))).status).toBeOneOf([400, 404]);
  });

  test("hands out an archive under a link that needs no key and ends", async ({ expect }) => {
    await using server = new TestServer();
    const model = await server.model();
    await save(server, model, 1, "a");
    const redirect = await server.fetch(`training_runs/${model}/checkpoints/weights/a/archive`);
    expect(redirect.status).toBe(302);
    expect(redirect.headers.get("expires")).toBe("Thu, 01 Jan 2026 00:15:00 GMT");
    const link = new Request(redirect.headers.get("location") ?? "");
    const archive = Buffer.from(await (await server.app.fetch(link.clone())).arrayBuffer());
    const names = [...archive.toString("latin1").matchAll(/([\w.]+)\0+0000644\0/g)].map(([, name]) => name ?? "");
    expect(names).toEqual([
      "adapter_model.safetensors",
      "adapter_config.json",
      "checkpoint_complete",
      "optimizer.safetensors",
    ]);
    expect(archive.length % 512).toBe(0);
    // A header's checksum counts its own eight bytes as spaces.
    const header = archive.subarray(0, 512);
    const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
    expect(Number.parseInt(header.toString("latin1", 148, 154), 8)).toBe(sum);
    server.clock.advance(15 * 60_000);
    expect((await server.app.fetch(link)).status).toBe(404);
  });
});

describe("the folder of checkpoints", () => {
  test("stays consistent when one checkpoint is written, read, changed and deleted at once", async ({ expect }) => {
    await using disk = await folder();
    const store = await DiskCheckpointStore.open(disk.path);
    const checkpoints = new Checkpoints(store, new HandClock());
    const address = { modelId: "s:train:0", kind: "weights", name: "one" } as const;
    const spec = { baseModel: "b", rank: 1, seed: 0, trainAttn: true, trainMlp: true, trainUnembed: true };
    const state = (value: number) => ({
      spec,
      tensors: new Map([["a", { shape: [1000], data: new Float32Array(1000).fill(value) }]]),
    });
    const write = (value: number) =>
      checkpoints.save(address, state(value), { overwrite: true, ttlSeconds: undefined });
    const read = async () => (await checkpoints.load(address, { optimizer: false })).tensors.get("a")?.data;
    for (let round = 0; round < 5; round += 1) {
      const outcomes = await Promise.allSettled([
        write(round),
        read(),
        checkpoints.delete(address),
        write(round + 100),
        checkpoints.setPublic(address, true),
        read(),
      ]);
      expect(outcomes.map(({ status }) => status)).toEqual(Array.from(outcomes, () => "fulfilled"));
      expect(await read()).toEqual(state(round + 100).tensors.get("a")?.data);
      const { found } = await DiskCheckpointStore.open(disk.path);
      expect(found).toMatchObject([{ name: "one", public: true }]);
    }
  });

  test("loses the files of a checkpoint that has expired", async ({ expect }) => {
    await using disk = await folder();
    await using server = new TestServer({ checkpoints: await DiskCheckpointStore.open(disk.path) });
    const model = await server.model();
    await save(server, model, 1, "one", { ttl_seconds: 60 });
    server.clock.advance(60_000);
    await server.session();
    expect(await readdir(join(disk.path, encodeURIComponent(model), "weights"))).toEqual([]);
  });

  test("is found again by a later server, with everything that was said about them", async ({ expect }) => {
    await using disk = await folder();
    await using first = new TestServer({ checkpoints: await DiskCheckpointStore.open(disk.path) });
    const model = await first.model();
    await first.step(model, 1);
    const path = await save(first, model, 2, "one", { ttl_seconds: 3600 });
    await first.fetch(`training_runs/${model}/checkpoints/weights/one/publish`, { method: "POST" });
    const before = await first.get("checkpoints");
    const tokens = await drawn(first, model, 3);
    await first.app.close();

    await using second = new TestServer({ checkpoints: await DiskCheckpointStore.open(disk.path) });
    expect(await second.get("checkpoints")).toEqual(before);
    const session = await second.session();
    const created = await second.post("load_weights", { session_id: session, model_seq_id: 0, path, optimizer: true });
    await second.result(created);
    expect(await drawn(second, `${session}:train:0`, 1)).toEqual(tokens);
  });

  test("has PEFT's files, readable as they are", async ({ expect }) => {
    await using disk = await folder();
    await using server = new TestServer({ checkpoints: await DiskCheckpointStore.open(disk.path) });
    const model = await server.model();
    await save(server, model, 1, "one");
    const parent = join(disk.path, encodeURIComponent(model), "weights");
    const [data = ""] = (await readdir(parent)).filter((name) => !name.endsWith(".json"));
    const config = JSON.parse(await readFile(join(parent, data, "adapter_config.json"), "utf8")) as Json;
    expect(config).toMatchObject({
      peft_type: "LORA",
      r: 8,
      base_model_name_or_path: "scripted/tiny",
      lora_alpha: loraAlpha,
    });
    expect((await stat(join(parent, data, "adapter_model.safetensors"))).size).toBeGreaterThan(0);
  });

  test("keeps nothing of a write that was interrupted, nor of what was replaced or deleted", async ({ expect }) => {
    await using disk = await folder();
    await using server = new TestServer({ checkpoints: await DiskCheckpointStore.open(disk.path) });
    const model = await server.model();
    await save(server, model, 1, "one");
    await save(server, model, 2, "one", { overwrite: true });
    await save(server, model, 3, "two");
    await server.fetch(`training_runs/${model}/checkpoints/weights/two`, { method: "DELETE" });
    const parent = join(disk.path, encodeURIComponent(model), "weights");
    expect(await readdir(parent)).toHaveLength(2);
    // What a server killed half-way leaves: files without a record, and a record that was not yet renamed.
    await writeFile(join(parent, "three.json.1a2b3c4d.tmp"), '{"modelId":');
    await writeFile(join(parent, "three-1a2b3c4d"), "half");
    const { found } = await DiskCheckpointStore.open(disk.path);
    expect(found.map((record) => record.name)).toEqual(["one"]);
    expect(await readdir(parent)).toHaveLength(2);
  });

  test("that is damaged is named, not skipped", async ({ expect }) => {
    await using disk = await folder();
    await using server = new TestServer({ checkpoints: await DiskCheckpointStore.open(disk.path) });
    const model = await server.model();
    const path = await save(server, model, 1, "one");
    const parent = join(disk.path, encodeURIComponent(model), "weights");
    const [data = ""] = (await readdir(parent)).filter((name) => !name.endsWith(".json"));
    await writeFile(join(parent, data, "adapter_model.safetensors"), Buffer.from([255, 0, 0]));
    const load = await server.post("load_weights", { model_id: model, seq_id: 2, path, optimizer: false });
    expect((await server.result(load))["error"]).toContain("adapter_model.safetensors");
    await writeFile(join(parent, "one.json"), "{");
    await expect(DiskCheckpointStore.open(disk.path)).rejects.toThrow("one.json is not a checkpoint's record");
  });

  test("holds only whole checkpoints after the process was killed at any moment", async ({ expect }) => {
    await using disk = await folder();
    const source = new URL("../../src/index.ts", import.meta.url).href;
    const script = `
      import { DiskCheckpointStore } from ${JSON.stringify(source)};
      const store = await DiskCheckpointStore.open(${JSON.stringify(disk.path)});
      const spec = { baseModel: "b", rank: 1, seed: 0n, trainAttn: true, trainMlp: true, trainUnembed: true };
      for (let round = 0; ; round += 1) {
        const files = new Map(["a", "b"].map((name) => [name, new Uint8Array(100_000).fill(round)]));
        const record = { modelId: "m:train:0", kind: "weights", name: "n" + (round % 3), spec, createdAt: round, expiresAt: null, public: false, sizeBytes: 1 };
        await store.write(record, files);
        process.stdout.write(".");
      }`;
    for (const writes of [1, 4, 9]) {
      const child = spawn(process.execPath, ["--conditions=@tinkex/source", "--input-type=module", "-e", script], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let written = 0;
      for await (const dots of child.stdout as AsyncIterable<Buffer>) {
        written += dots.length;
        if (written >= writes) child.kill("SIGKILL");
      }
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      const store = await DiskCheckpointStore.open(disk.path);
      expect(store.found.length).toBeGreaterThan(0);
      for (const record of store.found) {
        const files = await store.read(record);
        expect([...files.keys()].toSorted()).toEqual(["a", "b"]);
        for (const bytes of files.values()) {
          expect(bytes.length).toBe(100_000);
          expect(bytes.every((byte) => byte === record.createdAt % 256)).toBe(true);
        }
      }
    }
  });
});
