/** A signal that follows others until it is disposed. */
export interface LinkedSignal extends Disposable {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
}

/**
 * A signal that aborts when one of `parents` does, with its reason.
 *
 * Unlike `AbortSignal.any`, disposing it takes every listener off the parents: a client-long signal that each request
 * links to must not remember the requests.
 */
export function linkSignals(...parents: readonly (AbortSignal | undefined)[]): LinkedSignal {
  const controller = new AbortController();
  const links: { readonly parent: AbortSignal; readonly listener: () => void }[] = [];
  const unlink = (): void => {
    for (const { parent, listener } of links.splice(0)) parent.removeEventListener("abort", listener);
  };
  const abort = (reason: unknown): void => {
    unlink();
    controller.abort(reason);
  };
  for (const parent of parents) {
    if (!parent) continue;
    if (parent.aborted) {
      abort(parent.reason);
      break;
    }
    const listener = (): void => abort(parent.reason);
    parent.addEventListener("abort", listener);
    links.push({ parent, listener });
  }
  return { signal: controller.signal, abort, [Symbol.dispose]: unlink };
}

/** `promise`, or the signal's reason as soon as it aborts. The promise itself is left to finish. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await promise;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  if (signal.aborted) onAbort();
  else signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
    // Whichever lost the race may still reject; it has been dealt with.
    promise.catch(() => undefined);
    aborted.catch(() => undefined);
  }
}
