import type { CheckpointFiles } from "./peft-layout.ts";
import { checkpointPath, type CheckpointRecord } from "./checkpoint-record.ts";

/** Where checkpoints live. A record is stored wholly or not at all, and stored again replaces the one before. */
export interface CheckpointStore {
  /** What was there when the store was opened. */
  readonly found: readonly CheckpointRecord[];
  write(record: CheckpointRecord, files: CheckpointFiles): Promise<void>;
  /** Replaces only what the record says; the files stay. */
  update(record: CheckpointRecord): Promise<void>;
  read(record: CheckpointRecord): Promise<CheckpointFiles>;
  delete(record: CheckpointRecord): Promise<void>;
}

/** Checkpoints that end with the process. */
export class MemoryCheckpointStore implements CheckpointStore {
  readonly found: readonly CheckpointRecord[] = [];
  readonly #files = new Map<string, CheckpointFiles>();

  async write(record: CheckpointRecord, files: CheckpointFiles): Promise<void> {
    this.#files.set(checkpointPath(record), files);
  }

  async update(): Promise<void> {}

  async read(record: CheckpointRecord): Promise<CheckpointFiles> {
    const files = this.#files.get(checkpointPath(record));
    if (files === undefined) throw new Error(`${checkpointPath(record)} is not stored`);
    return files;
  }

  async delete(record: CheckpointRecord): Promise<void> {
    this.#files.delete(checkpointPath(record));
  }
}
