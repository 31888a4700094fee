import { ProtocolError } from "@tinkex/protocol";
import type { Lifetime } from "../concurrency/lifetime.ts";
import { limitTime } from "../concurrency/time-limit.ts";
import { DeadlineError, InvalidRequestError, TinkerError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { OperationProgress } from "./operation-progress.ts";
import type { InFlightOperation, OperationKind } from "./operation-progress.ts";
import { TinkerFuture } from "./tinker-future.ts";

/** How long a call may take, and how to give it up. */
export interface CallOptions {
  /** Aborting rejects the call with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Milliseconds until the call rejects with a `DeadlineError`, queueing and retries included. Default: the client's
   * `deadlineMs`.
   */
  readonly deadlineMs?: number;
}

/** What an operation gets while it runs. */
export interface OperationWork {
  /** Aborts when the caller gives up, the deadline passes, or the client is cut. */
  readonly signal: AbortSignal;
  readonly progress: OperationProgress;
}

/** All operations of one service that have not ended. */
export class InFlight {
  readonly #runtime: Runtime;
  readonly #pending = new Set<OperationProgress>();
  #lastId = 0;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  list(): readonly InFlightOperation[] {
    return [...this.#pending].map((progress) => progress.snapshot());
  }

  /**
   * Starts an operation and hands out its future. `run` is entered before this returns, so whatever it does up to its
   * first `await` happens in call order: that is what fixes the order of training steps.
   *
   * `run` resolves with a function that decodes the result, called when the result is first asked for.
   */
  start<T>(
    operation: OperationKind,
    lifetime: Lifetime,
    options: Required<Pick<CallOptions, "deadlineMs">> & CallOptions,
    run: (work: OperationWork) => Promise<() => T>,
  ): TinkerFuture<T> {
    const { signal, deadlineMs } = options;
    const callSite = captureCallSite();
    const progress = new OperationProgress(++this.#lastId, operation, this.#runtime);
    const abort = new AbortController();
    const expired = (): Error => new DeadlineError(operation, deadlineMs, progress.lastFailure);
    const limit = limitTime(this.#runtime, deadlineMs, expired, signal, abort.signal, lifetime.signal);
    this.#pending.add(progress);

    const work = async (): Promise<() => T> => {
      try {
        lifetime.assertOpen();
        limit.signal.throwIfAborted();
        const decode = await run({ signal: limit.signal, progress });
        progress.enter("done");
        return decode;
      } catch (error) {
        progress.enter("failed");
        // Answers are decoded elsewhere, so that a protocol error here is about what was to be sent.
        const failure = ProtocolError.isInstance(error)
          ? new InvalidRequestError(error.message, { cause: error })
          : error;
        throw withCallSite(failure, callSite);
      } finally {
        limit[Symbol.dispose]();
        this.#pending.delete(progress);
      }
    };
    // Tracking it also handles its rejection, so that a failure nobody awaits is not an unhandled one.
    return new TinkerFuture(progress, lifetime.track(work()), (reason) => abort.abort(reason));
  }
}

interface CallSite {
  readonly stack?: string;
}

function captureCallSite(): CallSite {
  const site: CallSite = {};
  // oxlint-disable-next-line typescript/unbound-method -- named, not called: frames above it are ours
  Error.captureStackTrace(site, InFlight.prototype.start);
  return site;
}

/** A failure surfaces far from its call; without this its stack shows only the machinery in between. */
function withCallSite(error: unknown, callSite: CallSite): unknown {
  if (TinkerError.isInstance(error)) {
    const frames = callSite.stack?.split("\n").slice(1).join("\n");
    error.stack = `${error.stack}\n    --- the call ---\n${frames}`;
  }
  return error;
}
