import {
  decodeForwardBackwardOutput,
  decodeSampleResponse,
  ForwardBackwardOutput,
  ProtocolError,
  RetrieveFutureReply,
  SampleResponse,
} from "@tinkex/protocol";
import type { Outcome } from "./futures.ts";

/**
 * The JSON form of a protobuf result, for clients that do not accept protobuf (Python SDKs up to 0.24.1). JSON has no
 * NaN: a metric that is not a number is left out, and a result with such log probabilities is reported as failed.
 */
export function legacyJson({ message, bytes }: Extract<Outcome, { type: "protobuf" }>): string {
  try {
    if (message === "Sample") return SampleResponse.encode(decodeSampleResponse(bytes));
    const output = decodeForwardBackwardOutput(bytes);
    const metrics = Object.entries(output.metrics).filter(([, value]) => Number.isFinite(value));
    return ForwardBackwardOutput.encode({ ...output, metrics: Object.fromEntries(metrics) });
  } catch (error) {
    if (!ProtocolError.isInstance(error)) throw error;
    return RetrieveFutureReply.encode({
      kind: "error",
      message: `The result holds values that JSON cannot (${error.message}); retrieve it with Accept: application/x-protobuf.`,
      category: "server",
    });
  }
}
