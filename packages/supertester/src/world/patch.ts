/**
 * Gives `target[key]` a new implementation that keeps the original's name, length, enumerability and own properties.
 * `make` receives the original.
 */
export function patch<T extends object, K extends keyof T & string>(
  target: T,
  key: K,
  make: (original: T[K]) => T[K],
): void {
  const descriptor = Object.getOwnPropertyDescriptor(target, key);
  const original = target[key];
  const shim = make(original);
  for (const name of Reflect.ownKeys(original as object)) {
    const own = Object.getOwnPropertyDescriptor(original, name);
    if (own !== undefined && !Object.hasOwn(shim as object, name)) Object.defineProperty(shim, name, own);
  }
  for (const name of ["name", "length"]) {
    const own = Object.getOwnPropertyDescriptor(original, name);
    if (own !== undefined) Object.defineProperty(shim, name, own);
  }
  Object.defineProperty(target, key, {
    configurable: true,
    enumerable: descriptor?.enumerable ?? true,
    writable: true,
    value: shim,
  });
}
