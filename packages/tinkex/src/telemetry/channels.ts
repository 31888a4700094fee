import { channel } from "node:diagnostics_channel";
import type { Channel } from "node:diagnostics_channel";

/*
 * What the SDK tells about itself, on `node:diagnostics_channel`. Publishing to a channel nobody listens to costs next
 * to nothing. No payload ever holds a credential, a prompt or a tensor.
 */

/** An HTTP exchange begins: `{ method, path, retryCount }`. */
export const httpStart: Channel = channel("tinkex:http:start");
/** It ended: `{ method, path, retryCount, status }`; `status` is undefined when no answer came. */
export const httpEnd: Channel = channel("tinkex:http:end");
/** An operation changed state: `{ id, operation, state, pauseReason, requestId }`. */
export const operationState: Channel = channel("tinkex:operation:state");
/** A session has missed its heartbeats for a while: `{ sessionId, silentMs, failure }`. */
export const sessionSilent: Channel = channel("tinkex:session:silent");
