import { jsonCodec, request, response } from "../json/codec.ts";
import type { JsonCodec } from "../json/codec.ts";
import { list, nullable, object, optional, record, withDefault } from "../json/shape.ts";
import type { Shape } from "../json/shape.ts";
import { count, flag, integer, oneOf, text, timestamp } from "../json/values.ts";
import type { Cursor } from "./common.ts";

const lenient = { unknownFields: "ignore" } as const;

/** `training` checkpoints can be trained on, `sampler` ones only sampled from. */
export type CheckpointType = "training" | "sampler";

/** Saved weights. */
export interface Checkpoint {
  /** `weights/<name>` or `sampler_weights/<name>`. */
  readonly checkpointId: string;
  readonly checkpointType: CheckpointType;
  /** When it was saved. */
  readonly time: Date;
  readonly tinkerPath: string;
  readonly sizeBytes?: number;
  /** Anyone may read it. */
  readonly public: boolean;
  readonly expiresAt?: Date;
}

const checkpoint: Shape<Checkpoint> = object<Checkpoint>(
  {
    checkpointId: text,
    checkpointType: oneOf("training", "sampler"),
    time: timestamp,
    tinkerPath: text,
    sizeBytes: optional(count),
    public: withDefault(flag, false),
    expiresAt: optional(timestamp),
  },
  lenient,
);

const cursor: Shape<Cursor> = object<Cursor>({ offset: integer, limit: integer, totalCount: integer }, lenient);

/** A model's life: everything trained and saved under one id. */
export interface TrainingRun {
  readonly trainingRunId: string;
  readonly baseModel: string;
  readonly modelOwner: string;
  readonly isLora: boolean;
  readonly lastRequestTime: Date;
  /** The service lost this run's state. */
  readonly corrupted: boolean;
  readonly loraRank?: number;
  readonly lastCheckpoint?: Checkpoint;
  readonly lastSamplerCheckpoint?: Checkpoint;
  readonly userMetadata?: Readonly<Record<string, string>>;
}

const trainingRun: Shape<TrainingRun> = object<TrainingRun>(
  {
    trainingRunId: text,
    baseModel: text,
    modelOwner: text,
    isLora: flag,
    lastRequestTime: timestamp,
    corrupted: withDefault(flag, false),
    loraRank: optional(integer),
    lastCheckpoint: optional(checkpoint),
    lastSamplerCheckpoint: optional(checkpoint),
    userMetadata: optional(record(text)),
  },
  lenient,
);

/** Codec of {@link TrainingRun}, the answer of `GET /api/v1/training_runs/{id}`. */
export const TrainingRun: JsonCodec<TrainingRun> = jsonCodec("TrainingRun", trainingRun);

/** `GET /api/v1/training_runs`. */
export interface TrainingRunsResponse {
  readonly trainingRuns: readonly TrainingRun[];
  readonly cursor: Cursor;
}

/** Codec of {@link TrainingRunsResponse}. */
export const TrainingRunsResponse: JsonCodec<TrainingRunsResponse> = response<TrainingRunsResponse>(
  "TrainingRunsResponse",
  { trainingRuns: list(trainingRun), cursor },
);

/** `GET /api/v1/training_runs/{id}/checkpoints` and `GET /api/v1/checkpoints`; only the latter has pages. */
export interface CheckpointsListResponse {
  readonly checkpoints: readonly Checkpoint[];
  readonly cursor?: Cursor;
}

/** Codec of {@link CheckpointsListResponse}. */
export const CheckpointsListResponse: JsonCodec<CheckpointsListResponse> = response<CheckpointsListResponse>(
  "CheckpointsListResponse",
  { checkpoints: list(checkpoint), cursor: optional(cursor) },
);

/** `GET .../archive` when it answers 200; it may also redirect. */
export interface CheckpointArchiveUrlResponse {
  readonly url: string;
  /** The URL works until then. */
  readonly expires: Date;
}

/** Codec of {@link CheckpointArchiveUrlResponse}. */
export const CheckpointArchiveUrlResponse: JsonCodec<CheckpointArchiveUrlResponse> =
  response<CheckpointArchiveUrlResponse>("CheckpointArchiveUrlResponse", { url: text, expires: timestamp });

/** `PUT .../ttl`. */
export interface SetCheckpointTtlRequest {
  /** From now; null to keep the checkpoint for good. */
  readonly ttlSeconds: number | null;
}

/** Codec of {@link SetCheckpointTtlRequest}. */
export const SetCheckpointTtlRequest: JsonCodec<SetCheckpointTtlRequest> = request<SetCheckpointTtlRequest>(
  "SetCheckpointTtlRequest",
  { ttlSeconds: nullable(integer) },
);
