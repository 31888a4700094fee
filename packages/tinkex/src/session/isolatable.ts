/** An entry of the protocol by which a test kit gives each test its own copy of process-wide state. */
interface Isolatable<T> {
  readonly name: string;
  create(): T;
  route(resolve: () => T | undefined): void;
}

/**
 * Process-wide state that a test kit may divide among tests: the returned function finds the running code's own value.
 * Outside such a kit there is one value, and finding it is a function call.
 *
 * The kit, if one is loaded, takes declarations from `globalThis[Symbol.for("supertester.isolatable")]`; this package does
 * not depend on it.
 *
 * @param name `package.what`, as tests refer to it
 */
export function isolatable<T>(name: string, create: () => T): () => T {
  const shared = create();
  let own: () => T | undefined = () => undefined;
  const entry: Isolatable<T> = {
    name,
    create,
    route: (resolve) => {
      own = resolve;
    },
  };
  const holder = globalThis as { [key: symbol]: { push(entry: unknown): unknown } | undefined };
  const declarations = (holder[Symbol.for("supertester.isolatable")] ??= new Array<unknown>());
  declarations.push(entry);
  return () => own() ?? shared;
}
