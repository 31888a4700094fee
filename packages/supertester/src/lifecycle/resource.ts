import { IsolationError } from "../context/errors.ts";
import type { ScopeContext } from "../context/scope-context.ts";
import { captureSite } from "../leaks/creation-site.ts";
import { defaultStageLimitMs, deferEntry, type TeardownStage } from "./teardown.ts";

/** Something with a beginning and an end that a test needs. */
export interface Resource<T> {
  /** What messages call it. Default: the name of the value's class. */
  readonly name?: string;
  /** Begins it; `signal` aborts when the test ends, first of all stages. */
  start(signal: AbortSignal): T | Promise<T>;
  /** Ends it gracefully. Default: the value's own `Symbol.asyncDispose` or `Symbol.dispose`. */
  stop?(value: T): unknown;
  /** Ends it by force; only when `stop` failed or hung, which fails the test all the same. */
  kill?(value: T): unknown;
  /** Real milliseconds that each of `stop` and `kill` may take. Default 2000. */
  readonly limitMs?: number;
}

function dispose(value: unknown): unknown {
  const target = value as Partial<AsyncDisposable & Disposable> | null | undefined;
  const end = target?.[Symbol.asyncDispose] ?? target?.[Symbol.dispose];
  return end?.call(target);
}

function nameOf(value: unknown): string {
  const type =
    typeof value === "object" && value !== null
      ? (value.constructor as { name?: string } | undefined)?.name
      : undefined;
  return type === undefined || type === "Object" ? "resource" : type;
}

/**
 * Begins `resource` as part of `context` and registers its end: abort its signal, then `stop`, then `kill`. Registered
 * before it begins, so that one whose start hangs is ended too.
 *
 * @throws IsolationError `invalid-argument` when it has no `start`; whatever `start` throws.
 */
export async function startResource<T>(context: ScopeContext, resource: Resource<T>): Promise<T> {
  if (typeof (resource as Partial<Resource<T>> | undefined)?.start !== "function") {
    throw new IsolationError("invalid-argument", "scope.start needs a resource with a `start(signal)` function");
  }
  const controller = new AbortController();
  const started = Promise.resolve().then(() => resource.start(controller.signal));
  const outcome = started.then(
    (value) => ({ value }),
    () => undefined,
  );
  let name = resource.name;
  const stages: TeardownStage[] = [
    {
      name: "stop",
      run: async () => {
        controller.abort(new Error("the test has ended"));
        const running = await outcome;
        // A start that failed, or was cut short by the abort, has nothing to stop.
        if (running !== undefined)
          await (resource.stop === undefined ? dispose(running.value) : resource.stop(running.value));
      },
    },
  ];
  if (resource.kill !== undefined) stages.push({ name: "kill", run: async () => resource.kill?.(await started) });
  const site = captureSite();
  deferEntry(context, {
    get name() {
      return name ?? "resource";
    },
    site,
    stages,
    limitMs: resource.limitMs ?? defaultStageLimitMs,
  });
  const value = await started;
  name ??= nameOf(value);
  return value;
}
