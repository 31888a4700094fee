import { request, response } from "../json/codec.ts";
import type { JsonCodec } from "../json/codec.ts";
import { list, object, optional, union } from "../json/shape.ts";
import type { Fields, Shape } from "../json/shape.ts";
import { count, jsonObject, oneOf, text, timestamp } from "../json/values.ts";
import type { JsonObject } from "./common.ts";

/** How bad an event is. */
export type Severity = "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL";

/** What every telemetry event has. */
export interface TelemetryEventBase {
  /** A UUID. */
  readonly eventId: string;
  /** Counts from 0 in the sender. */
  readonly eventSessionIndex: number;
  readonly severity: Severity;
  readonly timestamp: Date;
}

/** A client began. */
export interface SessionStartEvent extends TelemetryEventBase {
  readonly event: "SESSION_START";
}

/** A client ended. */
export interface SessionEndEvent extends TelemetryEventBase {
  readonly event: "SESSION_END";
  /** `H:MM:SS.ffffff`, as Python prints a duration. */
  readonly duration: string;
}

/** An error nobody handled. */
export interface UnhandledExceptionEvent extends TelemetryEventBase {
  readonly event: "UNHANDLED_EXCEPTION";
  readonly errorType: string;
  readonly errorMessage: string;
  readonly traceback?: string;
}

/** Anything else, by name. */
export interface GenericEvent extends TelemetryEventBase {
  readonly event: "GENERIC_EVENT";
  readonly eventName: string;
  readonly eventData: JsonObject;
}

/** One telemetry event, told apart by `event`. */
export type TelemetryEvent = SessionStartEvent | SessionEndEvent | UnhandledExceptionEvent | GenericEvent;

/** `POST /api/v1/telemetry`: a batch of events. */
export interface TelemetrySendRequest {
  readonly events: readonly TelemetryEvent[];
  /** The operating system, e.g. `Linux`. */
  readonly platform: string;
  readonly sdkVersion: string;
  readonly sessionId: string;
  /** A UUID made once per process. */
  readonly processUuid: string;
}

const strict = { unknownFields: "reject" } as const;
const base: Fields<TelemetryEventBase> = {
  eventId: text,
  eventSessionIndex: count,
  severity: oneOf("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
  timestamp,
};
const telemetryEvent: Shape<TelemetryEvent> = union<TelemetryEvent, "event">("event", {
  SESSION_START: object<SessionStartEvent>({ event: oneOf("SESSION_START"), ...base }, strict),
  SESSION_END: object<SessionEndEvent>({ event: oneOf("SESSION_END"), ...base, duration: text }, strict),
  UNHANDLED_EXCEPTION: object<UnhandledExceptionEvent>(
    {
      event: oneOf("UNHANDLED_EXCEPTION"),
      ...base,
      errorType: text,
      errorMessage: text,
      traceback: optional(text),
    },
    strict,
  ),
  GENERIC_EVENT: object<GenericEvent>(
    { event: oneOf("GENERIC_EVENT"), ...base, eventName: text, eventData: jsonObject },
    strict,
  ),
});

/** Codec of {@link TelemetrySendRequest}. */
export const TelemetrySendRequest: JsonCodec<TelemetrySendRequest> = request<TelemetrySendRequest>(
  "TelemetrySendRequest",
  { events: list(telemetryEvent), platform: text, sdkVersion: text, sessionId: text, processUuid: text },
);

/** The batch was taken. */
export interface TelemetryResponse {
  readonly status: "accepted";
}

/** Codec of {@link TelemetryResponse}. */
export const TelemetryResponse: JsonCodec<TelemetryResponse> = response<TelemetryResponse>("TelemetryResponse", {
  status: oneOf("accepted"),
});
