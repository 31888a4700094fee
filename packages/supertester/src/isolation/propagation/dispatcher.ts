import { bind } from "../../context/bind.ts";
import { testIdFor } from "./http.ts";
import { testIdHeader } from "./request-header.ts";

type Headers = readonly unknown[] | Iterable<readonly unknown[]> | Readonly<Record<string, unknown>> | null | undefined;

interface DispatchOptions {
  readonly origin?: string | URL | undefined;
  readonly headers?: Headers;
}

type Dispatch = (options: DispatchOptions, handler: object) => boolean;

/** What this needs of an undici dispatcher: an Agent, Pool, Client or MockAgent of version 6 or later. */
export interface ComposableDispatcher<D> {
  compose(...interceptors: never[]): D;
}

function withId(headers: Headers, id: string): Headers {
  if (headers === null || headers === undefined) return { [testIdHeader]: id };
  if (Array.isArray(headers)) return [...(headers as readonly unknown[]), testIdHeader, id];
  if (Symbol.iterator in headers) return [...(headers as Iterable<readonly unknown[]>), [testIdHeader, id]].flat();
  return { ...headers, [testIdHeader]: id };
}

/** The handler, with every callback bound to the test that sends the request. */
function bound(handler: object): object {
  const run = bind((method: (...args: unknown[]) => unknown, args: unknown[]) => Reflect.apply(method, handler, args));
  return new Proxy(handler, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => run(value as (...rest: unknown[]) => unknown, args);
    },
  });
}

/**
 * An undici dispatcher that keeps the owner of each request: a pool with all connections busy runs a queued request's
 * callbacks, and publishes its diagnostics, in the context of an earlier one. This sends the test's id along (which the
 * routing of the `undici:*` channels goes by) and binds the callbacks. Use it for the pools that tests share.
 */
export function scopeDispatcher<D>(dispatcher: ComposableDispatcher<D>): D {
  const interceptor = (dispatch: Dispatch) => (options: DispatchOptions, handler: object) => {
    const id = options.origin === undefined ? undefined : testIdFor(options.origin);
    const sent = id === undefined ? options : { ...options, headers: withId(options.headers, id) };
    return dispatch(sent, bound(handler));
  };
  return dispatcher.compose(interceptor as never);
}
