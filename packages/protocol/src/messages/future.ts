import { jsonCodec, request, response } from "../json/codec.ts";
import type { JsonCodec } from "../json/codec.ts";
import { asRecord, object, optional, withDefault } from "../json/shape.ts";
import { count, flag, json as jsonAny, oneOf, text } from "../json/values.ts";
import { describe } from "../protocol-error.ts";

/** The answer to every submitted operation: where to ask for its result. */
export interface UntypedAPIFuture {
  readonly requestId: string;
  readonly modelId?: string;
}

/** Codec of {@link UntypedAPIFuture}. */
export const UntypedAPIFuture: JsonCodec<UntypedAPIFuture> = response<UntypedAPIFuture>("UntypedAPIFuture", {
  requestId: text,
  modelId: optional(text),
});

/** `POST /api/v1/retrieve_future`: wait for a result. */
export interface FutureRetrieveRequest {
  readonly requestId: string;
  /** For a large result, answer only with its size. Default false. */
  readonly allowMetadataOnly: boolean;
}

/** Codec of {@link FutureRetrieveRequest}. */
export const FutureRetrieveRequest: JsonCodec<FutureRetrieveRequest> = request<FutureRetrieveRequest>(
  "FutureRetrieveRequest",
  { requestId: text, allowMetadataOnly: withDefault(flag, false) },
);

/** Why an operation waits. `unknown` stands for a state that this version does not know. */
export type QueueState = "active" | "paused_rate_limit" | "paused_capacity" | "unknown";

/** Whose fault a failed operation is. A category that this version does not know is read as `unknown`. */
export type RequestErrorCategory = "unknown" | "server" | "user";

/** Not ready: ask again. */
export interface TryAgainReply {
  readonly kind: "tryAgain";
  readonly queueState?: QueueState;
  readonly queueStateReason?: string;
}

/** Ready, but large: ask again with `allowMetadataOnly: false` when there is room for it. */
export interface MetadataReply {
  readonly kind: "metadata";
  /** Bytes. */
  readonly responsePayloadSize: number;
}

/** The operation failed, for good. */
export interface ErrorReply {
  readonly kind: "error";
  readonly message: string;
  readonly category: RequestErrorCategory;
}

/** The result, still to be decoded with the codec of the operation's response. */
export interface ResultReply {
  readonly kind: "result";
  readonly json: unknown;
}

/** A JSON answer to {@link FutureRetrieveRequest}, told apart by `kind`. Sample and forward/backward results are protobuf. */
export type RetrieveFutureReply = TryAgainReply | MetadataReply | ErrorReply | ResultReply;

const lenient = { unknownFields: "ignore" } as const;
const tryAgain = object<Omit<TryAgainReply, "kind">>(
  {
    queueState: optional(oneOf("active", "paused_rate_limit", "paused_capacity", "unknown")),
    queueStateReason: optional(text),
  },
  lenient,
);
const metadata = object<Omit<MetadataReply, "kind">>({ responsePayloadSize: withDefault(count, 0) }, lenient);

function queueState(value: unknown): QueueState {
  return value === "active" || value === "paused_rate_limit" || value === "paused_capacity" ? value : "unknown";
}

function category(value: unknown): RequestErrorCategory {
  return value === "server" || value === "user" ? value : "unknown";
}

/**
 * Codec of {@link RetrieveFutureReply}. The first form that fits wins: `type: "try_again"`, `status:
 * "complete_metadata"`, a key `error`, else a result. Odd queue states, categories and error messages do not fail the
 * decoding: they would hide the very thing the reply reports.
 */
export const RetrieveFutureReply: JsonCodec<RetrieveFutureReply> = jsonCodec<RetrieveFutureReply>(
  "RetrieveFutureReply",
  {
    encode(reply, place) {
      asRecord(reply, place);
      switch (reply.kind) {
        case "tryAgain":
          return { type: "try_again", ...asRecord(tryAgain.encode(reply, place), place) };
        case "metadata":
          return { status: "complete_metadata", ...asRecord(metadata.encode(reply, place), place) };
        case "error":
          return {
            error: text.encode(reply.message, place.at("error")),
            category: oneOf("unknown", "server", "user").encode(reply.category, place.at("category")),
          };
        case "result":
          return jsonAny.encode(asRecord(reply.json, place), place);
        default:
          return place.failWith("a reply of kind tryAgain, metadata, error or result", "another kind");
      }
    },
    decode(json, place) {
      const body = asRecord(json, place);
      if (body["type"] === "try_again") {
        const state = body["queue_state"] ?? undefined;
        const reason = body["queue_state_reason"];
        return {
          kind: "tryAgain",
          ...(state !== undefined && { queueState: queueState(state) }),
          ...(typeof reason === "string" && { queueStateReason: reason }),
        };
      }
      if (body["status"] === "complete_metadata") {
        return { kind: "metadata", ...metadata.decode(body, place) };
      }
      if (Object.hasOwn(body, "error")) {
        const error = body["error"];
        return {
          kind: "error",
          message: typeof error === "string" ? error : describe(error),
          category: category(body["category"]),
        };
      }
      return { kind: "result", json: body };
    },
  },
);
