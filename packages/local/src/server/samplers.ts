import type { Engine, SampleWork } from "../engine/engine.ts";
import { checkpointPath, type CheckpointRecord } from "./checkpoints/checkpoint-record.ts";
import type { Checkpoints } from "./checkpoints/checkpoints.ts";
import { HttpError } from "./http-error.ts";

/** A sampling session: what its samples are drawn from never changes. */
export interface Sampler {
  /** `<session>:sample:<n>`. */
  readonly id: string;
  readonly sessionId: string;
  readonly baseModel: string;
  /** The checkpoint it was opened from; none for a base model or an unnamed save. */
  readonly modelPath: string | undefined;
  readonly weights: SampleWork["weights"];
  /** Samples asked for whose result is still kept, by `seq_id`. */
  readonly submitted: Map<bigint, { readonly digest: string; readonly requestId: string }>;
}

/** Unnamed samplers kept per session: a reinforcement-learning loop makes one per step and never says it is done. */
const keptUnnamed = 64;

/**
 * Sampling sessions and the engine's snapshots behind them. A snapshot is dropped when nobody samples from it and no
 * sampling session can any more.
 */
export class Samplers {
  readonly #engine: Engine;
  readonly #checkpoints: Checkpoints;
  readonly #samplers = new Map<string, Sampler>();
  /** Uses of each snapshot: sampling sessions that have it, and samples that run. */
  readonly #uses = new Map<string, number>();
  /** Snapshots of checkpoints, each loaded once for all sampling sessions. */
  readonly #opened = new Map<string, Promise<string>>();
  /** The key in `#opened` of each snapshot that came from a checkpoint. */
  readonly #keys = new Map<string, string>();
  readonly #dropping = new Set<Promise<void>>();
  #loads = 0;

  constructor(engine: Engine, checkpoints: Checkpoints) {
    this.#engine = engine;
    this.#checkpoints = checkpoints;
  }

  get size(): number {
    return this.#samplers.size;
  }

  /** Of one session, oldest first. */
  list(sessionId: string): readonly Sampler[] {
    return [...this.#samplers.values()].filter((sampler) => sampler.sessionId === sessionId);
  }

  /** Throws a 404 for one that is not there. */
  get(id: string): Sampler {
    const sampler = this.#samplers.get(id);
    if (sampler !== undefined) return sampler;
    throw new HttpError(
      404,
      `Unknown sampling session ${JSON.stringify(id.slice(0, 100))}. It ends with its session, and an unnamed one also when ` +
        `${keptUnnamed} newer ones were made; create a sampling client again, from a checkpoint or the model.`,
    );
  }

  /** A sampling session on a base model. */
  openBase(id: string, sessionId: string, baseModel: string): Sampler {
    return this.#add({ id, sessionId, baseModel, modelPath: undefined, weights: { baseModel }, submitted: new Map() });
  }

  /** A sampling session on a checkpoint, which is read into the engine unless it is there already. */
  async openCheckpoint(id: string, sessionId: string, record: CheckpointRecord): Promise<Sampler> {
    const path = checkpointPath(record);
    const key = `${path} ${record.createdAt}`;
    let opening = this.#opened.get(key);
    if (opening === undefined) {
      opening = this.#load(record, key);
      this.#opened.set(key, opening);
      opening.catch(() => this.#opened.delete(key));
    }
    const snapshot = await opening;
    // The last user may have left while we waited, and taken the snapshot along.
    if (!this.#uses.has(snapshot)) return await this.openCheckpoint(id, sessionId, record);
    const { baseModel } = record.spec;
    return this.#add({ id, sessionId, baseModel, modelPath: path, weights: { snapshot }, submitted: new Map() });
  }

  /** A sampling session on a model's present weights. */
  async openModel(id: string, sessionId: string, model: { id: string; baseModel: string }): Promise<Sampler> {
    await this.#engine.createSnapshot(id, model.id);
    this.#uses.set(id, 0);
    const { baseModel } = model;
    const sampler = this.#add({
      id,
      sessionId,
      baseModel,
      modelPath: undefined,
      weights: { snapshot: id },
      submitted: new Map(),
    });
    const unnamed = this.list(sessionId).filter(
      ({ id: name, weights }) => "snapshot" in weights && weights.snapshot === name,
    );
    for (const old of unnamed.slice(0, -keptUnnamed)) this.#remove(old);
    return sampler;
  }

  /** Keeps the sampler's weights until the returned function is called, also if its session ends meanwhile. */
  use(sampler: Sampler): () => void {
    const { weights } = sampler;
    if (!("snapshot" in weights)) return () => {};
    this.#retain(weights.snapshot);
    return () => this.#release(weights.snapshot);
  }

  /** Ends a session's samplers. */
  endSession(sessionId: string): void {
    for (const sampler of this.list(sessionId)) this.#remove(sampler);
  }

  /** Ends all samplers, and resolves when their snapshots are gone. */
  async close(): Promise<void> {
    for (const sampler of this.#samplers.values()) this.#remove(sampler);
    await Promise.all(this.#dropping);
  }

  #add(sampler: Sampler): Sampler {
    if ("snapshot" in sampler.weights) this.#retain(sampler.weights.snapshot);
    this.#samplers.set(sampler.id, sampler);
    return sampler;
  }

  #remove(sampler: Sampler): void {
    this.#samplers.delete(sampler.id);
    if ("snapshot" in sampler.weights) this.#release(sampler.weights.snapshot);
  }

  #retain(snapshot: string): void {
    this.#uses.set(snapshot, (this.#uses.get(snapshot) ?? 0) + 1);
  }

  #release(snapshot: string): void {
    const uses = (this.#uses.get(snapshot) ?? 1) - 1;
    this.#uses.set(snapshot, uses);
    if (uses > 0) return;
    this.#uses.delete(snapshot);
    this.#opened.delete(this.#keys.get(snapshot) ?? "");
    this.#keys.delete(snapshot);
    const dropping = this.#engine.dropSnapshot(snapshot).catch(() => {});
    this.#dropping.add(dropping);
    void dropping.finally(() => this.#dropping.delete(dropping));
  }

  /** The engine makes snapshots of adapters only, so the weights pass through one that lives just for that. */
  async #load(record: CheckpointRecord, key: string): Promise<string> {
    const state = await this.#checkpoints.load(record, { optimizer: false });
    this.#loads += 1;
    const snapshot = `${checkpointPath(record)}#${this.#loads}`;
    const adapter = `${snapshot}:loading`;
    await this.#engine.createAdapter(adapter, record.spec);
    try {
      await this.#engine.importState(adapter, state);
      await this.#engine.createSnapshot(snapshot, adapter);
      this.#uses.set(snapshot, 0);
      this.#keys.set(snapshot, key);
    } finally {
      await this.#engine.dropAdapter(adapter);
    }
    return snapshot;
  }
}
