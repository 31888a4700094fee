import type { OperationWork } from "../futures/operation.ts";
import type { Connection } from "../session/connection.ts";
import type { HttpAnswer, HttpCall } from "../transport/transport.ts";

/** What a prompt's bytes count for while the server is, or just was, short of room. */
const cautionFactor = 20;

/**
 * Submits one sample within the limits that all clients of the credential share. Permits are held for the submission
 * only: the generation itself, which takes seconds or minutes, holds none, or the limits on submissions would be limits
 * on generations.
 */
export async function dispatchSample(
  connection: Connection,
  call: HttpCall,
  promptBytes: number,
  { signal, progress }: OperationWork,
): Promise<HttpAnswer> {
  const { gate, dispatch, sampleBytes } = connection.limits;
  using _place = await dispatch.acquire(1, signal);
  using _bytes = await sampleBytes.acquire(promptBytes * (gate.isCautious ? cautionFactor : 1), signal);
  return await connection.send(call, signal, progress);
}
