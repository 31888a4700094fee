import { testIdVariable } from "../../context/adopt.ts";
import { IsolationError } from "../../context/errors.ts";
import { processSingleton } from "../../context/process-singleton.ts";
import { activeContext, requireOpen, type Facet, type ScopeContext } from "../../context/scope-context.ts";

/** A test's changes; `undefined` marks a variable it has deleted. */
type Overlay = Map<string, string | undefined>;

/** Null: the scope changes the process's. */
const overlays: Facet<Overlay | null> = {
  name: "env",
  create: (context) => new Map([[testIdVariable, context.key]]),
};

/** Lets `context` change the environment of the whole process, as without the kit. */
export function shareEnv(context: ScopeContext): void {
  context.set(overlays, null);
}

function overlayOf(context: ScopeContext | undefined): Overlay | null {
  return context === undefined ? null : context.get(overlays);
}

const foldCase = process.platform === "win32";

/** The running test's overlay for a change of `name`; null when the real environment is to change. */
function overlayToChange(name: string): Overlay | null {
  const context = activeContext();
  const overlay = overlayOf(context);
  if (context === undefined || overlay === null) return null;
  requireOpen(context, `a change of process.env.${name}`);
  if (name === "TZ") {
    throw new IsolationError(
      "not-isolatable",
      'process.env.TZ cannot differ between tests of one process: the time zone is the process\'s. Set it before the run, or share the environment with `isolate({ env: "shared" })` in a test that runs alone.',
    );
  }
  return overlay;
}

/**
 * Replaces `process.env` by a view of it: each test reads the real environment beneath its own changes, which nobody else
 * sees. Child processes started without an `env` of their own inherit the test's view, and with it the test's id.
 */
export function installEnv(): void {
  processSingleton("env", () => {
    const real = process.env;
    const keyOf = (name: string) => (foldCase ? name.toUpperCase() : name);
    const read = (name: string): string | undefined => {
      const overlay = overlayOf(activeContext());
      return overlay?.has(keyOf(name)) === true ? overlay.get(keyOf(name)) : real[name];
    };
    const write = (name: string, value: unknown): boolean => {
      const overlay = overlayToChange(name);
      if (overlay === null) return Reflect.set(real, name, value);
      // Unlike String(), this refuses symbols: as the real environment does.
      overlay.set(keyOf(name), "".concat(value as string));
      return true;
    };
    process.env = new Proxy(real, {
      get: (target, name) => (typeof name === "string" ? read(name) : Reflect.get(target, name)),
      has: (target, name) => (typeof name === "string" ? read(name) !== undefined : Reflect.has(target, name)),
      set: (target, name, value) => (typeof name === "string" ? write(name, value) : Reflect.set(target, name, value)),
      defineProperty: (target, name, descriptor) =>
        typeof name === "string" && "value" in descriptor
          ? write(name, descriptor.value)
          : Reflect.defineProperty(target, name, descriptor),
      deleteProperty: (target, name) => {
        const overlay = typeof name === "string" ? overlayToChange(name) : null;
        if (overlay === null) return Reflect.deleteProperty(target, name);
        overlay.set(keyOf(name as string), undefined);
        return true;
      },
      ownKeys: (target) => {
        const overlay = overlayOf(activeContext());
        const names = new Set(Reflect.ownKeys(target));
        for (const [name, value] of overlay ?? []) {
          if (value === undefined) names.delete(name);
          else names.add(name);
        }
        return [...names];
      },
      getOwnPropertyDescriptor: (target, name) => {
        const overlay = typeof name === "string" ? overlayOf(activeContext()) : null;
        if (overlay?.has(keyOf(name as string)) !== true) return Reflect.getOwnPropertyDescriptor(target, name);
        const value = overlay.get(keyOf(name as string));
        return value === undefined ? undefined : { value, writable: true, enumerable: true, configurable: true };
      },
    });
    return true;
  });
}
