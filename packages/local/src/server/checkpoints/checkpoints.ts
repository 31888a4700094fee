import type { TinkerPathKind } from "@tinkex/protocol";
import type { AdapterState } from "../../engine/engine.ts";
import { HttpError } from "../http-error.ts";
import type { Runtime } from "../runtime.ts";
import { checkpointPath, type CheckpointAddress, type CheckpointRecord } from "./checkpoint-record.ts";
import type { CheckpointStore } from "./checkpoint-store.ts";
import { decodeAdapter, encodeAdapter, type CheckpointFiles } from "./peft-layout.ts";

/** The checkpoints that exist. Expired ones are gone for every caller from that moment on. */
export class Checkpoints {
  readonly #store: CheckpointStore;
  readonly #runtime: Runtime;
  readonly #records: Map<string, CheckpointRecord>;
  /** The end of the last thing begun on each checkpoint. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(store: CheckpointStore, runtime: Runtime) {
    this.#store = store;
    this.#runtime = runtime;
    this.#records = new Map(store.found.map((record) => [checkpointPath(record), record]));
  }

  /** All of them, or those of one model, newest first. */
  list(modelId?: string): readonly CheckpointRecord[] {
    return [...this.#records.values()]
      .filter((record) => !this.#expired(record) && (modelId === undefined || record.modelId === modelId))
      .sort((a, b) => b.createdAt - a.createdAt);
  }

  /** The newest of a model's checkpoints of one kind. */
  latest(modelId: string, kind: TinkerPathKind): CheckpointRecord | undefined {
    return this.list(modelId).find((record) => record.kind === kind);
  }

  /** The record, or undefined when there is none. */
  find(address: CheckpointAddress): CheckpointRecord | undefined {
    const record = this.#records.get(checkpointPath(address));
    return record === undefined || this.#expired(record) ? undefined : record;
  }

  /** The record; throws a 404 when there is none. */
  get(address: CheckpointAddress): CheckpointRecord {
    const record = this.find(address);
    if (record !== undefined) return record;
    throw new HttpError(
      404,
      `There is no checkpoint ${checkpointPath(address)}. It was never saved here, was deleted, or has expired; list checkpoints to see what there is.`,
    );
  }

  /** Writes a checkpoint; when this returns it will be found also after the process was killed. */
  async save(
    address: CheckpointAddress,
    state: AdapterState,
    options: { readonly overwrite: boolean; readonly ttlSeconds: number | undefined },
  ): Promise<CheckpointRecord> {
    return await this.#inTurn(address, async () => {
      if (this.find(address) !== undefined && !options.overwrite) {
        throw new HttpError(
          400,
          `${checkpointPath(address)} exists already. Save under another name, delete it first, or (for training checkpoints) pass overwrite.`,
        );
      }
      const files = encodeAdapter(state);
      const record: CheckpointRecord = {
        ...address,
        spec: state.spec,
        createdAt: this.#runtime.now(),
        expiresAt: this.#expiry(options.ttlSeconds ?? null),
        public: false,
        sizeBytes: [...files.values()].reduce((sum, bytes) => sum + bytes.byteLength, 0),
      };
      await this.#store.write(record, files);
      this.#records.set(checkpointPath(record), record);
      return record;
    });
  }

  /** Reads a checkpoint's tensors, and Adam's state if wanted and saved. */
  async load(address: CheckpointAddress, options: { readonly optimizer: boolean }): Promise<AdapterState> {
    return await this.#inTurn(address, async () => {
      const record = this.get(address);
      return decodeAdapter(record.spec, await this.#store.read(record), options);
    });
  }

  /** The files of a checkpoint, as an archive holds them. */
  async files(address: CheckpointAddress): Promise<CheckpointFiles> {
    return await this.#inTurn(address, async () => await this.#store.read(this.get(address)));
  }

  /** Lets it expire that many seconds from now; null keeps it. */
  async setTtl(address: CheckpointAddress, ttlSeconds: number | null): Promise<void> {
    await this.#change(address, { expiresAt: this.#expiry(ttlSeconds) });
  }

  async setPublic(address: CheckpointAddress, isPublic: boolean): Promise<void> {
    await this.#change(address, { public: isPublic });
  }

  async delete(address: CheckpointAddress): Promise<void> {
    await this.#inTurn(address, async () => await this.#drop(this.get(address)));
  }

  /** Deletes what has expired. */
  async sweep(): Promise<void> {
    for (const record of this.#records.values()) {
      if (!this.#expired(record)) continue;
      // It is gone for clients whether or not its files can be removed; the next start tries that again.
      await this.#inTurn(record, async () => {
        if (this.#records.get(checkpointPath(record)) === record) await this.#drop(record);
      }).catch(() => {});
    }
  }

  #expired({ expiresAt }: CheckpointRecord): boolean {
    return expiresAt !== null && this.#runtime.now() >= expiresAt;
  }

  #expiry(ttlSeconds: number | null): number | null {
    return ttlSeconds === null ? null : this.#runtime.now() + ttlSeconds * 1000;
  }

  async #change(address: CheckpointAddress, change: Partial<CheckpointRecord>): Promise<void> {
    await this.#inTurn(address, async () => {
      const record = { ...this.get(address), ...change };
      await this.#store.update(record);
      this.#records.set(checkpointPath(record), record);
    });
  }

  async #drop(record: CheckpointRecord): Promise<void> {
    this.#records.delete(checkpointPath(record));
    await this.#store.delete(record);
  }

  /** One thing at a time for one checkpoint: a reader must not see its files go, nor two writers mix. */
  async #inTurn<T>(address: CheckpointAddress, work: () => Promise<T>): Promise<T> {
    const path = checkpointPath(address);
    const turn = (this.#turns.get(path) ?? Promise.resolve()).then(work);
    const settled = Promise.allSettled([turn]);
    this.#turns.set(path, settled);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(path) === settled) this.#turns.delete(path);
    }
  }
}
