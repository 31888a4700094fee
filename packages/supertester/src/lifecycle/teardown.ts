import { IsolationError, SupertesterError } from "../context/errors.ts";
import { settlesWithin } from "../context/real-time.ts";
import type { Facet, ScopeContext } from "../context/scope-context.ts";
import { creationLine, type CreationSite } from "../leaks/creation-site.ts";

/** One attempt at ending something. Each gets the limit; the next one runs only when this one failed or hung. */
export interface TeardownStage {
  /** What it does, for messages: `abort`, `stop`, `kill`. */
  readonly name: string;
  readonly run: () => unknown;
}

/** Something to end when the test ends. */
export interface TeardownEntry {
  /** What it is called in messages. */
  readonly name: string;
  readonly site: CreationSite;
  readonly stages: readonly TeardownStage[];
  /** Real milliseconds each stage may take. */
  readonly limitMs: number;
}

/** What went wrong while one thing was ended. */
export interface TeardownFailure {
  /** The resource's name. */
  readonly resource: string;
  /** The line that made it. */
  readonly createdAt: string;
  /** The stage that failed: `abort`, `stop`, `kill`. */
  readonly stage: string;
  /** `true` when it did not settle within the limit; otherwise it threw `cause`. */
  readonly hung: boolean;
  readonly cause?: unknown;
}

/** One or more things could not be ended properly. All of them were tried; `failures` has every one, in order. */
export class TeardownError extends SupertesterError {
  override name = "TeardownError";
  readonly failures: readonly TeardownFailure[];

  constructor(failures: readonly TeardownFailure[]) {
    const lines = failures.map(({ resource, createdAt, stage, hung, cause }) => {
      const what = hung
        ? "hung and was cut"
        : `failed: ${cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause)}`;
      return `  ${resource} (created at ${createdAt}): ${stage} ${what}`;
    });
    const cause = failures.find((failure) => failure.cause !== undefined)?.cause;
    super(`teardown failed:\n${lines.join("\n")}`, cause === undefined ? undefined : { cause });
    this.failures = failures;
  }
}

/** Default limit of one stage: well under the runners' own hook limits, so that it is this message the user sees. */
export const defaultStageLimitMs = 2000;

const stacks: Facet<TeardownEntry[]> = { name: "teardown", create: () => [] };

/** Adds `entry` to what the end of `context` ends: last in, first out. */
export function deferEntry(context: ScopeContext, entry: TeardownEntry): void {
  if (!(entry.limitMs > 0 && entry.limitMs < Infinity)) {
    throw new IsolationError(
      "invalid-argument",
      `limitMs of "${entry.name}" is ${String(entry.limitMs)}: use a positive number of milliseconds`,
    );
  }
  context.get(stacks).push(entry);
}

/**
 * Ends everything, last in first out, including what is added meanwhile. Never throws and never hangs: limits run on real
 * timers captured before any could be faked.
 */
export async function runTeardown(context: ScopeContext): Promise<readonly TeardownFailure[]> {
  const stack = context.get(stacks);
  const failures: TeardownFailure[] = [];
  for (let entry = stack.pop(); entry !== undefined; entry = stack.pop()) failures.push(...(await end(entry)));
  return failures;
}

async function end({ name, site, stages, limitMs }: TeardownEntry): Promise<readonly TeardownFailure[]> {
  const failures: TeardownFailure[] = [];
  for (const stage of stages) {
    const failed = (hung: boolean, cause?: unknown) =>
      failures.push({
        resource: name,
        createdAt: creationLine(site),
        stage: stage.name,
        hung,
        ...(hung ? {} : { cause }),
      });
    try {
      if (await settlesWithin(Promise.resolve(stage.run()), limitMs)) return failures;
      failed(true);
    } catch (error) {
      failed(false, error);
    }
  }
  return failures;
}
