import { CreateSessionRequest, CreateSessionResponse, SessionHeartbeatRequest } from "@tinkex/protocol";
import type { ResolvedOptions } from "../client-options.ts";
import type { Lifetime } from "../concurrency/lifetime.ts";
import type { Runtime } from "../runtime.ts";
import { sessionSilent } from "../telemetry/channels.ts";
import { decodeAnswer, jsonCall, protocolVersion } from "../transport/json-call.ts";
import type { HttpAnswer, HttpCall, Transport } from "../transport/transport.ts";

/** What a session needs of the connection that it belongs to. */
export interface SessionHost {
  readonly options: ResolvedOptions;
  readonly runtime: Runtime;
  readonly transport: Transport;
  readonly lifetime: Lifetime;
  send(call: HttpCall, signal: AbortSignal): Promise<HttpAnswer>;
}

/** From one beat's start to the next. The official client's period. */
const heartbeatPeriodMs = 10_000;
const heartbeatTimeoutMs = 10_000;
/** Without a beat for so long, the user is told that the server may be about to forget the session. */
const warnAfterMs = 120_000;

/** A session on the server, which lives as long as it is heard from. */
export class Session {
  readonly id: string;
  #models = 0;
  #samplers = 0;

  private constructor(id: string) {
    this.id = id;
  }

  /** Creates the session and keeps it alive until the connection ends. */
  static async create(host: SessionHost, signal: AbortSignal): Promise<Session> {
    const { tags, userMetadata, projectId } = host.options;
    const call = jsonCall("/api/v1/create_session", CreateSessionRequest, {
      tags,
      userMetadata,
      sdkVersion: protocolVersion,
      ...(projectId !== undefined && { projectId }),
    });
    const { sessionId } = decodeAnswer(CreateSessionResponse, await host.send(call, signal));
    // Given up in the very moment of the answer: nobody would ever end the heartbeat of this session.
    signal.throwIfAborted();
    host.lifetime.runInBackground((ended) => beat(host, sessionId, ended));
    return new Session(sessionId);
  }

  /** Numbers models within the session, from 0. */
  nextModelSeqId(): number {
    return this.#models++;
  }

  /**
   * Numbers samplers within the session, from 0. One counter for samplers from a base model, from a checkpoint and from
   * any training client: the server tells them apart by nothing else.
   */
  nextSamplerSeqId(): number {
    return this.#samplers++;
  }
}

/** Each session beats by itself, so that one slow answer delays no other session. */
async function beat({ runtime, transport }: SessionHost, sessionId: string, ended: AbortSignal): Promise<void> {
  const call = {
    ...jsonCall("/api/v1/session_heartbeat", SessionHeartbeatRequest, { sessionId }),
    timeoutMs: heartbeatTimeoutMs,
  };
  let lastHeardAt = runtime.now();
  let warned = false;
  for (let due = runtime.now() + heartbeatPeriodMs; ; due += heartbeatPeriodMs) {
    await runtime.sleep(Math.max(0, due - runtime.now()), { signal: ended, background: true });
    const answer = await transport.exchange(call, ended);
    const failure = answer instanceof Error ? answer : transport.failure(call, answer);
    const silentMs = runtime.now() - lastHeardAt;
    if (!failure) {
      lastHeardAt = runtime.now();
      warned = false;
    } else if (silentMs >= warnAfterMs && !warned) {
      warned = true;
      sessionSilent.publish({ sessionId, silentMs, failure });
      process.emitWarning(
        `Tinker session ${sessionId} has had no heartbeat through for ${Math.round(silentMs / 1000)} s: ${failure.message}`,
        { code: "TINKEX_SESSION_SILENT" },
      );
    }
    // A beat that took longer than the period is not made up for by a burst.
    due = Math.max(due, runtime.now() - heartbeatPeriodMs);
  }
}
