import crypto from "node:crypto";
import { patch } from "./patch.ts";
import { currentWorld, type Entropy } from "./world.ts";

interface WebCrypto {
  getRandomValues<T extends NodeJS.ArrayBufferView>(view: T): T;
  randomUUID(): UUID;
}
type UUID = `${string}-${string}-${string}-${string}-${string}`;
type Callback<T> = (error: Error | null, value: T) => void;

/** `Math.random`, web crypto and the random functions of `node:crypto`. */
export function patchEntropy(): void {
  const entropy = () => currentWorld()?.entropy;
  patch(Math, "random", (original) => () => entropy()?.random() ?? original());
  // Also reached through node:crypto's own getRandomValues.
  const webCrypto = Object.getPrototypeOf(globalThis.crypto) as WebCrypto;
  patch(webCrypto, "getRandomValues", (original) => {
    return function getRandomValues<T extends NodeJS.ArrayBufferView>(this: WebCrypto, view: T): T {
      const source = entropy();
      return source === undefined ? (original.call(this, view) as T) : fillView(source, view);
    };
  });
  patch(webCrypto, "randomUUID", (original) => {
    return function randomUUID(this: WebCrypto) {
      const source = entropy();
      return source === undefined ? original.call(this) : uuid(source);
    };
  });
  patch(crypto, "randomUUID", (original) => (options) => {
    const source = entropy();
    return source === undefined ? original(options) : uuid(source);
  });
  patch(
    crypto,
    "randomBytes",
    (original) =>
      ((size: number, callback?: Callback<Buffer>) => {
        const source = entropy();
        if (source === undefined) return callback === undefined ? original(size) : original(size, callback);
        return answer(fillView(source, Buffer.alloc(size)), callback);
      }) as typeof original,
  );
  patch(
    crypto,
    "randomFillSync",
    (original) =>
      ((view: NodeJS.ArrayBufferView, offset?: number, size?: number) => {
        const source = entropy();
        return source === undefined ? original(view, offset, size) : fillView(source, view, offset, size);
      }) as typeof original,
  );
  patch(crypto, "randomFill", (original) => (view: NodeJS.ArrayBufferView, ...rest: unknown[]) => {
    const source = entropy();
    if (source === undefined) return original(view, ...(rest as [never]));
    const [offset, size] = rest.filter((value) => typeof value === "number");
    return answer(fillView(source, view, offset, size), rest.at(-1) as Callback<NodeJS.ArrayBufferView>);
  });
  patch(
    crypto,
    "randomInt",
    (original) =>
      ((...args: (number | Callback<number>)[]) => {
        const source = entropy();
        if (source === undefined) return original(...(args as [number, number]));
        const [first = 0, second] = args.filter((value) => typeof value === "number");
        const [low, high] = second === undefined ? [0, first] : [first, second];
        const callback = args.find((value) => typeof value === "function");
        return answer(low + Math.floor(source.random() * (high - low)), callback);
      }) as typeof original,
  );
}

/** The synchronous form returns the value; the callback form hands it over later, as a completed piece of I/O. */
function answer<T>(value: T, callback: Callback<T> | undefined): T | undefined {
  if (callback === undefined) return value;
  setImmediate(callback, null, value);
  return undefined;
}

/** Offset and size count elements of the view, as in `crypto.randomFill`. */
function fillView<T extends NodeJS.ArrayBufferView>(source: Entropy, view: T, offset = 0, size?: number): T {
  const width = "BYTES_PER_ELEMENT" in view ? view.BYTES_PER_ELEMENT : 1;
  const length = size === undefined ? view.byteLength - offset * width : size * width;
  source.fillBytes(new Uint8Array(view.buffer, view.byteOffset + offset * width, length));
  return view;
}

/** A version 4 UUID (RFC 9562, section 5.4). */
function uuid(source: Entropy): UUID {
  const bytes = new Uint8Array(16);
  source.fillBytes(bytes);
  const [version = 0, variant = 0] = [bytes[6], bytes[8]];
  bytes[6] = (version & 0x0f) | 0x40;
  bytes[8] = (variant & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
