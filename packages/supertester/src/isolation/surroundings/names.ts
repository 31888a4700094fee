import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IsolationError } from "../../context/errors.ts";
import type { Facet, ScopeContext } from "../../context/scope-context.ts";
import { startResource } from "../../lifecycle/resource.ts";

const counters: Facet<{ next: number }> = { name: "names", create: () => ({ next: 1 }) };

/** A name that no other call in this or another process on this machine gets; letters, digits and dashes only. */
export function uniqueName(context: ScopeContext, prefix: string): string {
  if (!/^[A-Za-z0-9-]+$/.test(prefix)) {
    throw new IsolationError(
      "invalid-argument",
      `scope.unique(${JSON.stringify(prefix)}): a prefix has letters, digits and dashes only`,
    );
  }
  const counter = context.get(counters);
  return `${prefix}-${context.key}-${counter.next++}`;
}

/** Makes an empty directory of the test's own; it is removed with its content when the test ends. */
export function makeTmpDir(context: ScopeContext): Promise<string> {
  return startResource(context, {
    name: "temporary directory",
    start: () => mkdtemp(join(tmpdir(), `supertester-${context.key}-`)),
    stop: (path) => rm(path, { recursive: true, force: true }),
    // A large tree on a busy disk.
    limitMs: 5000,
  });
}
