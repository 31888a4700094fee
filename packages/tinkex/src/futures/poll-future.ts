import { FutureRetrieveRequest, ProtocolError, RetrieveFutureReply } from "@tinkex/protocol";
import type { PermitPool } from "../concurrency/permit-pool.ts";
import { ApiStatusError, InvalidResponseError, RequestFailedError, RequestTimeoutError } from "../errors.ts";
import type { ConnectionError, TinkerError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import type { HttpAnswer, HttpCall, Transport } from "../transport/transport.ts";
import { retryDelayMs, backoffMs } from "../transport/retry-policy.ts";
import type { OperationWork } from "./operation.ts";

/** The request type that the server is told, which also decides whether the result is protobuf. */
export type FutureType =
  | "CreateModel"
  | "LoadWeights"
  | "Forward"
  | "ForwardBackward"
  | "OptimStep"
  | "SaveWeights"
  | "SaveWeightsForSampler"
  | "Sample";

/** What polling needs of the connection. */
export interface PollContext {
  readonly runtime: Runtime;
  readonly transport: Transport;
  /** Budget in bytes for large results that are in memory at once. */
  readonly responseBytes: PermitPool;
}

/** A finished future's body, not yet decoded. */
export interface FutureResult {
  readonly format: "json" | "protobuf";
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Ours is shorter than the server's hold may be; when it is our limit that fires, we ask again at once. */
const pollTimeoutMs = 45_000;
const binaryTypes: ReadonlySet<FutureType> = new Set(["Forward", "ForwardBackward", "Sample"]);

/** Why another poll is due. Each has a backoff of its own: six expired long polls say nothing about the network. */
type Again = "held" | "busy" | "rateLimited" | "unreachable";

type Lap =
  | { readonly kind: "result"; readonly result: FutureResult }
  | { readonly kind: "metadata"; readonly bytes: number }
  | { readonly kind: "again"; readonly why: Again; readonly failure?: TinkerError };

/**
 * Asks for a future's result until there is one.
 *
 * Polls are spaced by their *starts*. A long poll that the server held costs no extra wait; an answer that came at once
 * is followed by a growing pause, whatever it said: 408, 5xx, `try_again`, 429 and failed connections all come at full
 * speed from a server in trouble, and a loop that only awaits such answers would also starve every timer of the process.
 *
 * Rejects with `RequestFailedError` when the work failed, `ApiStatusError` for a definite refusal (410: the result has
 * expired), `InvalidResponseError` for an answer that cannot be read, or the signal's reason.
 */
export async function pollFuture(
  { runtime, transport, responseBytes }: PollContext,
  type: FutureType,
  requestId: string,
  { signal, progress }: OperationWork,
): Promise<FutureResult> {
  const quick: Record<Again, number> = { held: 0, busy: 0, rateLimited: 0, unreachable: 0 };
  let budget: Disposable | undefined;
  try {
    for (let iteration = 0; ; iteration++) {
      const call = pollCall(type, requestId, iteration, budget === undefined);
      const startedAt = runtime.now();
      progress.trying();
      const lap = readLap(transport, type, requestId, call, await transport.exchange(call, signal), progress);
      if (lap.kind === "result") return lap.result;
      if (lap.kind === "metadata") {
        if (budget) throw new InvalidResponseError(`Future ${requestId} sent its size instead of its result, twice`);
        budget = await responseBytes.acquire(lap.bytes, signal);
        continue;
      }

      const lapMs = runtime.now() - startedAt;
      const asked = lap.failure instanceof ApiStatusError && lap.failure.retryAfterMs !== undefined;
      const pauseMs = asked
        ? (retryDelayMs(lap.failure, 0, 0) ?? 0)
        : Math.max(0, backoffMs(quick[lap.why], runtime.random()) - lapMs);
      if (pauseMs === 0) {
        // The server took its time, so it is well: whatever went wrong before is over.
        quick.held = quick.busy = quick.rateLimited = quick.unreachable = 0;
        signal.throwIfAborted();
        continue;
      }
      quick[lap.why] += 1;
      progress.pausing(lap.failure, pauseMs);
      await runtime.sleep(pauseMs, { signal });
    }
  } finally {
    budget?.[Symbol.dispose]();
  }
}

function pollCall(type: FutureType, requestId: string, iteration: number, allowMetadataOnly: boolean): HttpCall {
  return {
    method: "POST",
    path: "/api/v1/retrieve_future",
    body: { content: FutureRetrieveRequest.encode({ requestId, allowMetadataOnly }), type: "application/json" },
    headers: {
      accept: binaryTypes.has(type) ? "application/x-protobuf, application/json" : "application/json",
      "x-tinker-request-iteration": String(iteration),
      "x-tinker-request-type": type,
    },
    timeoutMs: pollTimeoutMs,
  };
}

function readLap(
  transport: Transport,
  type: FutureType,
  requestId: string,
  call: HttpCall,
  answer: HttpAnswer | ConnectionError | RequestTimeoutError,
  progress: OperationWork["progress"],
): Lap {
  if (answer instanceof RequestTimeoutError) return { kind: "again", why: "held", failure: answer };
  if (answer instanceof Error) return { kind: "again", why: "unreachable", failure: answer };
  const failure = transport.failure(call, answer);
  if (failure) return readFailure(requestId, answer, failure, progress);

  const contentType = answer.headers.get("content-type") ?? "";
  if (contentType.includes("application/x-protobuf")) {
    if (!binaryTypes.has(type))
      throw new InvalidResponseError(`Future ${requestId} (${type}) was answered in protobuf`);
    return { kind: "result", result: { format: "protobuf", body: answer.body } };
  }
  const reply = readReply(requestId, answer.body);
  switch (reply.kind) {
    case "tryAgain":
      showQueueState(progress, reply.queueState, reply.queueStateReason);
      return { kind: "again", why: "held" };
    case "metadata":
      return { kind: "metadata", bytes: reply.responsePayloadSize };
    case "error":
      throw new RequestFailedError(reply.message, requestId, reply.category);
    case "result":
      return { kind: "result", result: { format: "json", body: answer.body } };
  }
}

function readFailure(
  requestId: string,
  answer: HttpAnswer,
  failure: ApiStatusError | ConnectionError,
  progress: OperationWork["progress"],
): Lap {
  if (!(failure instanceof ApiStatusError)) return { kind: "again", why: "unreachable", failure };
  switch (failure.status) {
    case 408: {
      const reply = tryReadReply(requestId, answer.body);
      if (reply?.kind === "tryAgain") showQueueState(progress, reply.queueState, reply.queueStateReason);
      return { kind: "again", why: "held", failure };
    }
    case 402:
      progress.enter("paused", "billing");
      return { kind: "again", why: "busy", failure };
    case 429:
      return { kind: "again", why: "rateLimited", failure };
    case 400:
      // SkyRL answers so for every future that failed, whatever the cause; asking again changes nothing.
      throw new RequestFailedError(failure.detail, requestId, "unknown");
    default:
      if (failure.retryable) return { kind: "again", why: "busy", failure };
      throw failure;
  }
}

function showQueueState(
  progress: OperationWork["progress"],
  state: string | undefined,
  reason: string | undefined,
): void {
  if (state?.startsWith("paused")) progress.enter("paused", reason ?? state);
  else progress.enter("running");
}

function readReply(requestId: string, body: Uint8Array): RetrieveFutureReply {
  try {
    return RetrieveFutureReply.decode(body);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    throw new InvalidResponseError(`The answer for future ${requestId} cannot be read: ${error.message}`, {
      cause: error,
    });
  }
}

function tryReadReply(requestId: string, body: Uint8Array): RetrieveFutureReply | undefined {
  try {
    return readReply(requestId, body);
  } catch {
    return undefined;
  }
}
