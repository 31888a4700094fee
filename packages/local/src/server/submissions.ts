import { EngineError } from "../engine/engine.ts";
import type { FutureKind, Outcome } from "./futures.ts";
import { HttpError } from "./http-error.ts";
import type { TrainingModel } from "./models.ts";
import type { Sampler } from "./samplers.ts";
import type { ServerContext } from "./server-context.ts";

/** What a submission is, apart from the work itself. */
export interface Submission {
  readonly kind: FutureKind;
  /** Undefined for work without a number: it is neither ordered nor deduplicated. */
  readonly seqId: bigint | undefined;
  /** Of what makes two submissions under one number the same. */
  readonly digest: string;
  /** Size of the request, counted while the work has not ended. */
  readonly bytes: number;
}

/**
 * Puts an operation in its model's queue and returns the request id. The same submission again returns the same id and
 * does nothing; another one under the same number throws a 409.
 */
export function submitOperation(
  context: ServerContext,
  model: TrainingModel,
  submission: Submission,
  work: () => Promise<Outcome>,
): string {
  model.lastRequestAt = context.runtime.now();
  const known = findSubmitted(model, `model ${model.id}`, submission);
  if (known !== undefined) return known;
  model.queue.check(submission.seqId);
  const { requestId, release } = open(context, model, submission, model.queue.fillsGap(submission.seqId));
  model.queue.submit(submission.seqId, {
    run: async () => {
      context.futures.settle(requestId, await outcomeOf(work));
      release();
    },
    fail: (message) => {
      context.futures.settle(requestId, { type: "error", message, category: "server" });
      release();
    },
  });
  return requestId;
}

/** The same for a sample of a sampling session; samples are not ordered by their numbers. */
export function submitSample(
  context: ServerContext,
  sampler: Sampler | undefined,
  submission: Submission,
  work: (signal: AbortSignal) => Promise<Outcome>,
): string {
  const owner = sampler ?? { submitted: new Map() };
  const known = findSubmitted(owner, `sampling session ${sampler?.id ?? ""}`, submission);
  if (known !== undefined) return known;
  context.samples.admit();
  const { requestId, release } = open(context, owner, submission, false);
  // From now on the weights stay, whatever happens to the sampling session.
  const end = sampler === undefined ? () => {} : context.samplers.use(sampler);
  context.samples.submit({
    run: async (signal) => {
      context.futures.settle(requestId, await outcomeOf(() => work(signal)));
      release();
      end();
    },
    fail: (message) => {
      context.futures.settle(requestId, { type: "error", message, category: "server" });
      release();
      end();
    },
  });
  return requestId;
}

type Submitted = { readonly submitted: Map<bigint, { readonly digest: string; readonly requestId: string }> };

function findSubmitted(owner: Submitted, name: string, { seqId, digest }: Submission): string | undefined {
  const known = seqId === undefined ? undefined : owner.submitted.get(seqId);
  if (known === undefined || known.digest === digest) return known?.requestId;
  throw new HttpError(409, `seq_id ${seqId} of ${name} was already used for a different request (${known.requestId}).`);
}

function open(
  context: ServerContext,
  owner: Submitted,
  { kind, seqId, digest, bytes }: Submission,
  frees: boolean,
): { readonly requestId: string; readonly release: () => void } {
  const release = context.pendingBytes.reserve(bytes, frees);
  const requestId = context.futures.open(kind, () => {
    if (seqId !== undefined) owner.submitted.delete(seqId);
  });
  if (seqId !== undefined) owner.submitted.set(seqId, { digest, requestId });
  return { requestId, release };
}

async function outcomeOf(work: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await work();
  } catch (error) {
    const isInput = error instanceof EngineError || (error instanceof HttpError && error.status < 500);
    const message = error instanceof Error ? error.message : String(error);
    return { type: "error", message, category: isInput ? "user" : "server" };
  }
}
