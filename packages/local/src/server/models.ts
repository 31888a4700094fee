import type { JsonObject } from "@tinkex/protocol";
import type { AdapterSpec, Engine } from "../engine/engine.ts";
import { HttpError } from "./http-error.ts";
import type { OperationQueue } from "./operation-queue.ts";

/** A model being trained: one adapter of the engine, and the operations on it. */
export interface TrainingModel {
  /** `<session>:train:<model_seq_id>`. */
  readonly id: string;
  readonly sessionId: string;
  readonly spec: AdapterSpec;
  readonly userMetadata: JsonObject | undefined;
  readonly queue: OperationQueue;
  /** Submissions whose result is still kept, by `seq_id`. */
  readonly submitted: Map<bigint, { readonly digest: string; readonly requestId: string }>;
  /** Milliseconds since the Unix epoch. */
  lastRequestAt: number;
  /** The engine holds its adapter. */
  loaded: boolean;
  /** Why it takes no more operations. */
  ended: string | undefined;
  /** The future of its unloading, which a repeated request gets too. */
  unloading: string | undefined;
}

/** Models by id. An ended one stays listed as a training run, as its checkpoints do. */
export class Models {
  readonly #engine: Engine;
  readonly #models = new Map<string, TrainingModel>();
  readonly #ending = new Set<Promise<void>>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** All that ever were, newest first. */
  list(): readonly TrainingModel[] {
    return [...this.#models.values()].toReversed();
  }

  add(model: TrainingModel): void {
    this.#models.set(model.id, model);
  }

  /** The model, ended or not; throws a 404 for one that never was. */
  find(id: string): TrainingModel {
    const model = this.#models.get(id);
    if (model !== undefined) return model;
    throw new HttpError(
      404,
      `Unknown model ${JSON.stringify(id.slice(0, 100))}. Models end with the server; create one, or load a checkpoint into a new one.`,
    );
  }

  /** The model, if it takes operations; else throws a 404 that says why not. */
  get(id: string): TrainingModel {
    const model = this.find(id);
    if (model.ended !== undefined) throw new HttpError(404, model.ended);
    return model;
  }

  /** The model's queue, for one that takes no operations too; undefined for one that never was. */
  queueOf(id: string | undefined): OperationQueue | undefined {
    return id === undefined ? undefined : this.#models.get(id)?.queue;
  }

  /** Takes no more operations, fails those that wait, and drops the adapter when the running one is done. */
  end(model: TrainingModel, message: string): Promise<void> {
    model.ended ??= message;
    const ending = (async () => {
      await model.queue.close(message);
      await this.drop(model);
    })();
    this.#ending.add(ending);
    return ending.finally(() => this.#ending.delete(ending));
  }

  /** Drops the adapter, once. */
  async drop(model: TrainingModel): Promise<void> {
    if (!model.loaded) return;
    model.loaded = false;
    await this.#engine.dropAdapter(model.id);
  }

  /** Ends all models. */
  async close(message: string): Promise<void> {
    for (const model of this.#models.values()) {
      if (model.ended === undefined) void this.end(model, message).catch(() => {});
    }
    await Promise.allSettled(this.#ending);
  }
}
