import { request, response } from "../json/codec.ts";
import type { JsonCodec } from "../json/codec.ts";
import { list, optional, withDefault } from "../json/shape.ts";
import { count, jsonObject, oneOf, text } from "../json/values.ts";
import type { JsonObject } from "./common.ts";

/** `POST /api/v1/create_session`: a session groups what one client does, and lives while heartbeats arrive. */
export interface CreateSessionRequest {
  readonly tags: readonly string[];
  /** The caller's own data. */
  readonly userMetadata: JsonObject;
  readonly sdkVersion: string;
  readonly projectId?: string;
}

/** Codec of {@link CreateSessionRequest}. */
export const CreateSessionRequest: JsonCodec<CreateSessionRequest> = request<CreateSessionRequest>(
  "CreateSessionRequest",
  {
    tags: withDefault(list(text), []),
    userMetadata: withDefault(jsonObject, {}),
    sdkVersion: text,
    projectId: optional(text),
  },
  "create_session",
);

/** The new session, and what its owner should be told. */
export interface CreateSessionResponse {
  readonly sessionId: string;
  readonly infoMessage?: string;
  readonly warningMessage?: string;
  readonly errorMessage?: string;
}

/** Codec of {@link CreateSessionResponse}. */
export const CreateSessionResponse: JsonCodec<CreateSessionResponse> = response<CreateSessionResponse>(
  "CreateSessionResponse",
  {
    sessionId: text,
    infoMessage: optional(text),
    warningMessage: optional(text),
    errorMessage: optional(text),
  },
);

/** `POST /api/v1/session_heartbeat`: the session is still in use. */
export interface SessionHeartbeatRequest {
  readonly sessionId: string;
}

/** Codec of {@link SessionHeartbeatRequest}. */
export const SessionHeartbeatRequest: JsonCodec<SessionHeartbeatRequest> = request<SessionHeartbeatRequest>(
  "SessionHeartbeatRequest",
  { sessionId: text },
  "session_heartbeat",
);

/** Nothing but that the beat was heard. */
export type SessionHeartbeatResponse = Readonly<Record<string, never>>;

/** Codec of {@link SessionHeartbeatResponse}. */
export const SessionHeartbeatResponse: JsonCodec<SessionHeartbeatResponse> = response<SessionHeartbeatResponse>(
  "SessionHeartbeatResponse",
  {},
);

/** `POST /api/v1/create_sampling_session`: where samples come from, one of `baseModel` and `modelPath`. */
export interface CreateSamplingSessionRequest {
  readonly sessionId: string;
  /** Counts from 0 in the session, together with unnamed sampler saves. */
  readonly samplingSessionSeqId: number;
  readonly baseModel?: string;
  /** A `tinker://` path of sampler weights. */
  readonly modelPath?: string;
}

/** Codec of {@link CreateSamplingSessionRequest}. */
export const CreateSamplingSessionRequest: JsonCodec<CreateSamplingSessionRequest> =
  request<CreateSamplingSessionRequest>(
    "CreateSamplingSessionRequest",
    { sessionId: text, samplingSessionSeqId: count, baseModel: optional(text), modelPath: optional(text) },
    "create_sampling_session",
  );

/** The new sampling session. */
export interface CreateSamplingSessionResponse {
  readonly samplingSessionId: string;
}

/** Codec of {@link CreateSamplingSessionResponse}. */
export const CreateSamplingSessionResponse: JsonCodec<CreateSamplingSessionResponse> =
  response<CreateSamplingSessionResponse>("CreateSamplingSessionResponse", { samplingSessionId: text });

/** `GET /api/v1/sessions`. */
export interface ListSessionsResponse {
  readonly sessions: readonly string[];
}

/** Codec of {@link ListSessionsResponse}. */
export const ListSessionsResponse: JsonCodec<ListSessionsResponse> = response<ListSessionsResponse>(
  "ListSessionsResponse",
  { sessions: list(text) },
);

/** `GET /api/v1/sessions/{id}`: what the session made. */
export interface GetSessionResponse {
  readonly trainingRunIds: readonly string[];
  readonly samplerIds: readonly string[];
}

/** Codec of {@link GetSessionResponse}. */
export const GetSessionResponse: JsonCodec<GetSessionResponse> = response<GetSessionResponse>("GetSessionResponse", {
  trainingRunIds: list(text),
  samplerIds: list(text),
});

/** `PUT /api/v1/sessions/{id}/project`. */
export interface AssignSessionProjectRequest {
  readonly projectId: string;
}

/** Codec of {@link AssignSessionProjectRequest}. */
export const AssignSessionProjectRequest: JsonCodec<AssignSessionProjectRequest> = request<AssignSessionProjectRequest>(
  "AssignSessionProjectRequest",
  { projectId: text },
);

/** `GET /api/v1/sessions/{id}/trace_export`: asked again while `pending`. */
export interface TraceExportResponse {
  readonly status: "pending" | "ready" | "failed";
  /** Where the trace is, when ready. Needs no credential. */
  readonly url?: string;
  /** Why there is none, when failed. */
  readonly error?: string;
}

/** Codec of {@link TraceExportResponse}. */
export const TraceExportResponse: JsonCodec<TraceExportResponse> = response<TraceExportResponse>(
  "TraceExportResponse",
  { status: oneOf("pending", "ready", "failed"), url: optional(text), error: optional(text) },
);
