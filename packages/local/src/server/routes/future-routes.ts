import { FutureRetrieveRequest, RetrieveFutureReply } from "@tinkex/protocol";
import type { Hono } from "hono";
import type { Outcome } from "../futures.ts";
import { HttpError } from "../http-error.ts";
import { legacyJson } from "../legacy-json.ts";
import { jsonReply, reply } from "../replies.ts";
import type { ServerContext } from "../server-context.ts";
import { readJson } from "./request.ts";

/** The long poll: it is answered the moment the work ends, and with `try_again` when that takes too long. */
export function futureRoutes(app: Hono, context: ServerContext): void {
  const { futures, limits, dialect, gate } = context;

  app.post("/api/v1/retrieve_future", async ({ req }) => {
    const { requestId, allowMetadataOnly } = (await readJson(context, req.raw, FutureRetrieveRequest)).value;
    const outcome = await futures.wait(requestId, limits.longPollMs, req.raw.signal);
    if (outcome === undefined) return tryAgain();
    if (outcome.type === "error") return failed(outcome.message, outcome.category);
    if (allowMetadataOnly && sizeOf(outcome) > limits.metadataOnlyBytes) {
      return jsonReply(RetrieveFutureReply.encode({ kind: "metadata", responsePayloadSize: sizeOf(outcome) }));
    }
    futures.delivered(requestId);
    if (outcome.type === "json") return jsonReply(outcome.text);
    return (req.header("accept") ?? "").includes("application/x-protobuf")
      ? reply(outcome.bytes, "application/x-protobuf")
      : jsonReply(legacyJson(outcome));
  });

  function tryAgain(): Response {
    if (dialect === "skyrl") throw new HttpError(408, "The operation has not ended yet; ask again.");
    const { queueState, reason } = gate.state;
    return jsonReply(
      RetrieveFutureReply.encode({
        kind: "tryAgain",
        queueState,
        ...(reason !== undefined && { queueStateReason: reason }),
      }),
    );
  }

  function failed(message: string, category: "user" | "server"): Response {
    if (dialect === "skyrl") throw new HttpError(400, message);
    return jsonReply(RetrieveFutureReply.encode({ kind: "error", message, category }));
  }
}

const sizeOf = (outcome: Exclude<Outcome, { type: "error" }>): number =>
  outcome.type === "protobuf" ? outcome.bytes.byteLength : outcome.text.length;
