import type { LoadedModel } from "../model/base-model-files.ts";
import type { BaseModel, Engine } from "./engine.ts";

/** A model to serve: a folder to load, or one that is in memory already. */
export type ModelSource = { readonly folder: string; readonly name?: string } | LoadedModel;

/** What the engine's thread starts with. */
export interface ThreadData {
  readonly models: readonly ModelSource[];
  readonly threads: number;
  /** Memory of the {@link NativeCalls} that both threads share. */
  readonly nativeCalls: SharedArrayBuffer;
}

/** Methods that can be called from the other thread. */
export type EngineMethod = Exclude<keyof Engine, "baseModels" | typeof Symbol.asyncDispose>;

export type ToThread =
  | { readonly kind: "call"; readonly id: number; readonly method: EngineMethod; readonly args: readonly unknown[] }
  | { readonly kind: "abort"; readonly id: number }
  | { readonly kind: "close" };

/** `known` tells an EngineError, whose message is for the caller, from a fault of the engine. */
export interface ThreadFailure {
  readonly message: string;
  readonly stack: string | undefined;
  readonly known: boolean;
}

export type FromThread =
  | { readonly kind: "ready"; readonly baseModels: readonly BaseModel[] }
  | { readonly kind: "failed"; readonly failure: ThreadFailure }
  | { readonly kind: "result"; readonly id: number; readonly value: unknown }
  | { readonly kind: "error"; readonly id: number; readonly failure: ThreadFailure };
