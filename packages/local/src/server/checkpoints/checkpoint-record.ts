import { TinkerPath, type TinkerPathKind } from "@tinkex/protocol";
import type { AdapterSpec } from "../../engine/engine.ts";
import { HttpError } from "../http-error.ts";

/** What is known of a checkpoint without reading its tensors. */
export interface CheckpointRecord {
  readonly modelId: string;
  /** `weights` can be trained on (with Adam's state), `sampler_weights` only sampled from. */
  readonly kind: TinkerPathKind;
  readonly name: string;
  readonly spec: AdapterSpec;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /** Milliseconds since the Unix epoch, after which it is deleted; null to keep it. */
  readonly expiresAt: number | null;
  /** Marked readable for others. This server has one user, so it only reports it. */
  readonly public: boolean;
  /** Bytes of all its files. */
  readonly sizeBytes: number;
}

/** The part of a record that names it. */
export type CheckpointAddress = Pick<CheckpointRecord, "modelId" | "kind" | "name">;

/** `tinker://<model_id>/<kind>/<name>`, under which clients know a checkpoint. */
export function checkpointPath({ modelId, kind, name }: CheckpointAddress): string {
  return TinkerPath.format({ trainingRunId: modelId, kind, name });
}

const validName = /^[\w-][\w.-]{0,199}$/;

/** A name is also a file's name, so only harmless ones pass; throws a 400 that says which those are. */
export function checkName(name: string): string {
  if (validName.test(name)) return name;
  throw new HttpError(
    400,
    `${JSON.stringify(name.slice(0, 100))} is not a checkpoint name: use 1 to 200 letters, digits, "_", "-" and ".", not starting with ".".`,
  );
}
