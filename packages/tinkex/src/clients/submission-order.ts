import { abortable } from "../concurrency/linked-signal.ts";
import { PermitPool } from "../concurrency/permit-pool.ts";
import { ConnectionError, DeadlineError, RequestTimeoutError } from "../errors.ts";
import type { HttpAnswer, HttpCall } from "../transport/transport.ts";

/** Sends one request with retries; must not depend on the caller's own signal. */
export type Send = (call: HttpCall) => Promise<HttpAnswer>;

/**
 * The order of one model's training operations. The server runs them by `seq_id` and waits where one is missing, so:
 *
 * - An operation's place is taken when `submit` is called, synchronously. Its requests go out together in that place.
 * - A `seq_id` is taken when its request is ready to be sent, never before: an operation that was aborted in the queue,
 *   or could not be encoded, leaves no gap.
 * - A request once begun is carried through even if its caller gives up meanwhile, because the server may have seen it.
 * - A request that never got an answer leaves its `seq_id` in doubt. The next operation sends it again first, under the
 *   same `seq_id`: either the server had it, and recognises the repeat, or the gap is filled. If even that gets no
 *   answer the next operation fails too, without using up a number. Any answer, good or bad, ends the doubt.
 *
 * No outcome of one operation stops a later one from being tried.
 */
export class SubmissionOrder {
  readonly #turns = new PermitPool(1);
  #lastSeqId = 0;
  #inDoubt: HttpCall | undefined;

  /**
   * @param requests builds each request from its `seq_id`, when its turn has come
   * @param signal gives up the wait, not what has begun
   */
  async submit(
    requests: readonly ((seqId: number) => HttpCall)[],
    send: Send,
    signal: AbortSignal,
  ): Promise<readonly HttpAnswer[]> {
    const turn = await this.#turns.acquire(1, signal);
    if (signal.aborted) {
      turn.release();
      throw signal.reason;
    }
    const sending = this.#sendAll(requests, send).finally(() => turn.release());
    return await abortable(sending, signal);
  }

  async #sendAll(requests: readonly ((seqId: number) => HttpCall)[], send: Send): Promise<readonly HttpAnswer[]> {
    await this.#endDoubt(send);
    const answers: HttpAnswer[] = [];
    for (const request of requests) {
      const call = request(this.#lastSeqId + 1);
      this.#lastSeqId += 1;
      try {
        answers.push(await send(call));
      } catch (error) {
        if (isWithoutAnswer(error)) this.#inDoubt = call;
        throw error;
      }
    }
    return answers;
  }

  async #endDoubt(send: Send): Promise<void> {
    if (!this.#inDoubt) return;
    try {
      await send(this.#inDoubt);
    } catch (error) {
      if (isWithoutAnswer(error)) throw error;
    }
    this.#inDoubt = undefined;
  }
}

function isWithoutAnswer(error: unknown): boolean {
  if (error instanceof DeadlineError) return isWithoutAnswer(error.cause);
  return error instanceof ConnectionError || error instanceof RequestTimeoutError;
}
