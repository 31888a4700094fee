import { ClientConfigRequest, ClientConfigResponse } from "@tinkex/protocol";
import type { ResolvedOptions } from "../client-options.ts";
import { checkDuration } from "../client-options.ts";
import { Lifetime } from "../concurrency/lifetime.ts";
import { SingleFlight } from "../concurrency/single-flight.ts";
import { limitTime } from "../concurrency/time-limit.ts";
import { DeadlineError } from "../errors.ts";
import { InFlight } from "../futures/operation.ts";
import type { CallOptions, OperationWork } from "../futures/operation.ts";
import type { OperationKind } from "../futures/operation-progress.ts";
import { pollFuture } from "../futures/poll-future.ts";
import type { FutureResult, FutureType } from "../futures/poll-future.ts";
import type { TinkerFuture } from "../futures/tinker-future.ts";
import type { Runtime } from "../runtime.ts";
import { defaultTokenizerLoader } from "../tokenizer/load-tokenizer.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { decodeAnswer, jsonCall, protocolVersion } from "../transport/json-call.ts";
import { Transport } from "../transport/transport.ts";
import type { HttpAnswer, HttpCall, RetryObserver } from "../transport/transport.ts";
import { Session } from "./session.ts";
import { shareLimits } from "./shared-limits.ts";
import type { SharedLimits } from "./shared-limits.ts";

/**
 * What all clients of one service share: transport, limits, session, tokenizers, and the list of pending calls. Nothing
 * is sent until something needs it.
 */
export class Connection {
  readonly options: ResolvedOptions;
  readonly lifetime: Lifetime = new Lifetime("The service client");
  readonly inFlight: InFlight;
  readonly transport: Transport;
  readonly limits: SharedLimits;
  readonly #config = new SingleFlight<ClientConfigResponse>();
  readonly #session = new SingleFlight<Session>();
  readonly #tokenizers = new SingleFlight<Tokenizer>();

  constructor(options: ResolvedOptions) {
    this.options = options;
    this.inFlight = new InFlight(options.runtime);
    this.transport = new Transport(options);
    const lease = shareLimits(options.runtime, options.baseUrl, options.apiKey);
    this.limits = lease.limits;
    this.lifetime.defer(() => lease[Symbol.dispose]());
    this.lifetime.defer(() => this.#tokenizers.clear());
  }

  get runtime(): Runtime {
    return this.options.runtime;
  }

  /** The server's configuration, asked for once. */
  async config(signal: AbortSignal): Promise<ClientConfigResponse> {
    const load = async (shared: AbortSignal): Promise<ClientConfigResponse> => {
      const request = jsonCall("/api/v1/client/config", ClientConfigRequest, { sdkVersion: protocolVersion });
      const config = decodeAnswer(ClientConfigResponse, await this.send(request, shared));
      this.limits.sampleBytes.resize(config.sampleDispatchBytesSemaphoreSize);
      this.limits.responseBytes.resize(config.inflightResponseBytesSemaphoreSize);
      return config;
    };
    return await this.#config.get("config", load, signal);
  }

  /** The session that all clients of this service belong to, created by whoever needs it first. */
  async session(signal: AbortSignal): Promise<Session> {
    const load = async (shared: AbortSignal): Promise<Session> => {
      await this.config(shared);
      return await Session.create(this, shared);
    };
    return await this.#session.get("session", load, signal);
  }

  async tokenizer(id: string, signal: AbortSignal): Promise<Tokenizer> {
    const { loadTokenizer, runtime, baseUrl } = this.options;
    return await this.#tokenizers.get(
      id,
      (shared) => (loadTokenizer ?? defaultTokenizerLoader(runtime, baseUrl))(id, shared),
      signal,
    );
  }

  /**
   * Hands a request over: waits at the gate, retries, and gives up after `submitTimeoutMs`, when `signal` aborts, or
   * when the service is cut.
   */
  async send(call: HttpCall, signal?: AbortSignal, observer?: RetryObserver): Promise<HttpAnswer> {
    const { submitTimeoutMs } = this.options;
    let last: unknown;
    const watch: RetryObserver = {
      held: () => observer?.held(),
      trying: () => observer?.trying(),
      pausing: (failure, delayMs) => {
        last = failure;
        observer?.pausing(failure, delayMs);
      },
    };
    const expired = (): Error => new DeadlineError(`${call.method} ${call.path}`, submitTimeoutMs, last);
    using limit = limitTime(this.runtime, submitTimeoutMs, expired, signal, this.lifetime.signal);
    return await this.transport.request(call, limit.signal, this.limits.gate, watch);
  }

  /** Polls for a result that the server has promised in `accepted`. */
  async result(type: FutureType, requestId: string, work: OperationWork): Promise<FutureResult> {
    work.progress.requestId = requestId;
    work.progress.enter("submitted");
    const { runtime, transport } = this;
    return await pollFuture({ runtime, transport, responseBytes: this.limits.responseBytes }, type, requestId, work);
  }

  /** Starts an operation that belongs to `lifetime`; see {@link InFlight.start}. */
  start<T>(
    operation: OperationKind,
    lifetime: Lifetime,
    options: CallOptions,
    run: (work: OperationWork) => Promise<() => T>,
  ): TinkerFuture<T> {
    const deadlineMs = checkDuration("deadlineMs", options.deadlineMs ?? this.options.deadlineMs);
    return this.inFlight.start(operation, lifetime, { ...options, deadlineMs }, run);
  }
}
