import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { CheckpointFiles } from "./peft-layout.ts";
import type { CheckpointAddress, CheckpointRecord } from "./checkpoint-record.ts";
import type { CheckpointStore } from "./checkpoint-store.ts";

/** The record of a checkpoint, as stored. JSON has no 64-bit integers, so the seed is text. */
interface StoredRecord extends Omit<CheckpointRecord, "spec"> {
  readonly spec: Omit<CheckpointRecord["spec"], "seed"> & { readonly seed: string };
  /** The folder beside the record that holds its files. */
  readonly folder: string;
}

const kinds: readonly CheckpointRecord["kind"][] = ["weights", "sampler_weights"];

/**
 * Checkpoints in a folder: `<model_id>/<kind>/<name>.json` is the record, and names the folder beside it with the files.
 * Files are written and flushed first, the record is renamed into place last, and replaced the same way. So a
 * checkpoint is visible only when it is whole, also when the process is killed at any point; what such an end leaves
 * behind is never looked at, and is removed when the store is opened. One server at a time may use a folder.
 */
export class DiskCheckpointStore implements CheckpointStore {
  readonly found: readonly CheckpointRecord[];
  readonly #root: string;
  readonly #folders: Map<string, string>;

  private constructor(root: string, stored: readonly StoredRecord[]) {
    this.#root = root;
    this.found = stored.map(({ folder: _folder, spec, ...record }) => ({
      ...record,
      spec: { ...spec, seed: BigInt(spec.seed) },
    }));
    this.#folders = new Map(stored.map((record) => [this.#recordFile(record), record.folder]));
  }

  /** Opens or creates the folder, reads its records and clears away what an interrupted write left. */
  static async open(root: string): Promise<DiskCheckpointStore> {
    await mkdir(root, { recursive: true });
    const stored: StoredRecord[] = [];
    for (const model of await readdir(root)) {
      for (const kind of kinds) stored.push(...(await openFolder(join(root, model, kind))));
    }
    return new DiskCheckpointStore(root, stored);
  }

  async write(record: CheckpointRecord, files: CheckpointFiles): Promise<void> {
    const parent = dirname(this.#recordFile(record));
    const folder = `${record.name}-${randomUUID().slice(0, 8)}`;
    await mkdir(join(parent, folder), { recursive: true });
    for (const [name, bytes] of files) await writeDurably(join(parent, folder, name), bytes);
    await syncFolder(join(parent, folder));
    const replaced = this.#folders.get(this.#recordFile(record));
    await this.#writeRecord(record, folder);
    if (replaced !== undefined) await rm(join(parent, replaced), { recursive: true, force: true });
  }

  async update(record: CheckpointRecord): Promise<void> {
    await this.#writeRecord(record, this.#folder(record));
  }

  async read(record: CheckpointRecord): Promise<CheckpointFiles> {
    const folder = join(dirname(this.#recordFile(record)), this.#folder(record));
    const files = new Map<string, Uint8Array>();
    for (const name of await readdir(folder)) files.set(name, await readFile(join(folder, name)));
    return files;
  }

  async delete(record: CheckpointRecord): Promise<void> {
    const file = this.#recordFile(record);
    const folder = this.#folder(record);
    this.#folders.delete(file);
    await rm(file, { force: true });
    await syncFolder(dirname(file));
    await rm(join(dirname(file), folder), { recursive: true, force: true });
  }

  /** Model ids have colons, which not every file system takes. */
  #recordFile(record: CheckpointAddress): string {
    return join(this.#root, encodeURIComponent(record.modelId), record.kind, `${record.name}.json`);
  }

  #folder(record: CheckpointRecord): string {
    const folder = this.#folders.get(this.#recordFile(record));
    if (folder === undefined) throw new Error(`checkpoint ${record.name} of ${record.modelId} is not stored`);
    return folder;
  }

  async #writeRecord(record: CheckpointRecord, folder: string): Promise<void> {
    const file = this.#recordFile(record);
    const stored: StoredRecord = { ...record, folder, spec: { ...record.spec, seed: String(record.spec.seed) } };
    const temporary = `${file}.${randomUUID().slice(0, 8)}.tmp`;
    await writeDurably(temporary, new TextEncoder().encode(`${JSON.stringify(stored, undefined, 2)}\n`));
    await rename(temporary, file);
    await syncFolder(dirname(file));
    this.#folders.set(file, folder);
  }
}

async function openFolder(folder: string): Promise<readonly StoredRecord[]> {
  const entries = await readdir(folder).catch(() => []);
  const records: StoredRecord[] = [];
  for (const entry of entries.filter((name) => name.endsWith(".json"))) {
    records.push(await readRecord(join(folder, entry)));
  }
  const live = new Set(records.map((record) => record.folder));
  for (const entry of entries) {
    if (entry.endsWith(".tmp")) await unlink(join(folder, entry));
    else if (!entry.endsWith(".json") && !live.has(entry)) await rm(join(folder, entry), { recursive: true });
  }
  return records;
}

async function readRecord(path: string): Promise<StoredRecord> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as StoredRecord;
  } catch (cause) {
    throw new Error(`${path} is not a checkpoint's record; move it away to start without that checkpoint`, { cause });
  }
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A rename survives a power cut only when its folder is flushed too; Windows has no such call and needs none. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
