import { response } from "../json/codec.ts";
import type { JsonCodec } from "../json/codec.ts";
import { list, object, optional, record, union, withDefault } from "../json/shape.ts";
import type { Shape } from "../json/shape.ts";
import { flag, integer, number, oneOf, text, timestamp } from "../json/values.ts";

const lenient = { unknownFields: "ignore" } as const;

/** Which entries of the audit log are asked for. */
export type AuditEventType = "all" | "checkpoints";

/** One line of the audit log. */
export interface AuditLogEntry {
  readonly timestamp: Date;
  readonly event: string;
  readonly modelId?: string;
  readonly tinkerPath?: string;
  readonly purpose?: string;
}

/** `GET /api/v1/audit`. */
export interface AuditLogResponse {
  readonly entries: readonly AuditLogEntry[];
}

/** Codec of {@link AuditLogResponse}. */
export const AuditLogResponse: JsonCodec<AuditLogResponse> = response<AuditLogResponse>("AuditLogResponse", {
  entries: list(
    object<AuditLogEntry>(
      {
        timestamp,
        event: text,
        modelId: optional(text),
        tinkerPath: optional(text),
        purpose: optional(text),
      },
      lenient,
    ),
  ),
});

/** Tokens trained on. */
export interface TrainingBillingEvent {
  readonly type: "training";
  readonly tokenCount: number;
}

/** Prompt tokens read. */
export interface SamplingPrefillBillingEvent {
  readonly type: "sampling_prefill";
  /** They were in the prompt cache. */
  readonly cached: boolean;
  readonly tokenCount: number;
}

/** Tokens sampled. */
export interface SamplingSampleBillingEvent {
  readonly type: "sampling_sample";
  readonly tokenCount: number;
}

/** Checkpoints saved. */
export interface CheckpointBillingEvent {
  readonly type: "checkpoint";
  readonly count: number;
}

/** Checkpoints kept. */
export interface StorageBillingEvent {
  readonly type: "storage";
  readonly gigabyteHours: number;
}

/** What was used, told apart by `type`. */
export type BillingEventInfo =
  | TrainingBillingEvent
  | SamplingPrefillBillingEvent
  | SamplingSampleBillingEvent
  | CheckpointBillingEvent
  | StorageBillingEvent;

const billingEventInfo: Shape<BillingEventInfo> = union<BillingEventInfo, "type">("type", {
  training: object<TrainingBillingEvent>({ type: oneOf("training"), tokenCount: integer }, lenient),
  sampling_prefill: object<SamplingPrefillBillingEvent>(
    { type: oneOf("sampling_prefill"), cached: flag, tokenCount: integer },
    lenient,
  ),
  sampling_sample: object<SamplingSampleBillingEvent>({ type: oneOf("sampling_sample"), tokenCount: integer }, lenient),
  checkpoint: object<CheckpointBillingEvent>({ type: oneOf("checkpoint"), count: integer }, lenient),
  storage: object<StorageBillingEvent>({ type: oneOf("storage"), gigabyteHours: number }, lenient),
});

/** Usage of one kind in one hour. */
export interface BillingUsageEvent {
  readonly bucketStart: Date;
  readonly bucketEnd: Date;
  readonly baseModel?: string;
  readonly userId?: string;
  readonly userName?: string;
  readonly sessionId?: string;
  readonly projectId?: string;
  readonly eventInfo: BillingEventInfo;
}

/** What a session's owner noted about it. */
export interface BillingUsageSession {
  readonly userMetadata?: Readonly<Record<string, string>>;
}

/** `GET /api/v1/billing/usage/events`. */
export interface BillingUsageResponse {
  readonly data: readonly BillingUsageEvent[];
  /** By session id. */
  readonly sessions: Readonly<Record<string, BillingUsageSession>>;
}

/** Codec of {@link BillingUsageResponse}. */
export const BillingUsageResponse: JsonCodec<BillingUsageResponse> = response<BillingUsageResponse>(
  "BillingUsageResponse",
  {
    data: list(
      object<BillingUsageEvent>(
        {
          bucketStart: timestamp,
          bucketEnd: timestamp,
          baseModel: optional(text),
          userId: optional(text),
          userName: optional(text),
          sessionId: optional(text),
          projectId: optional(text),
          eventInfo: billingEventInfo,
        },
        lenient,
      ),
    ),
    sessions: withDefault(record(object<BillingUsageSession>({ userMetadata: optional(record(text)) }, lenient)), {}),
  },
);
