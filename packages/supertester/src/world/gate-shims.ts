import crypto from "node:crypto";
import fs from "node:fs";
import zlib from "node:zlib";
import { patch } from "./patch.ts";
import { currentWorld, type Gate } from "./world.ts";

type Method = (this: unknown, ...args: unknown[]) => unknown;
type Methods = Record<string, Method>;

const zlibCalls = ["deflate", "deflateRaw", "gzip", "gunzip", "inflate", "inflateRaw", "unzip"];
const newerZlibCalls = ["brotliCompress", "brotliDecompress", "zstdCompress", "zstdDecompress"];
const cryptoCalls = ["pbkdf2", "scrypt", "hkdf", "generateKey", "generateKeyPair"];
const subtleCalls = ["digest", "encrypt", "decrypt", "sign", "verify", "deriveBits", "deriveKey", "generateKey"];
const fileCalls = "read write readv writev readFile writeFile appendFile stat sync datasync truncate".split(" ");
const subtleKeyCalls = ["importKey", "exportKey", "wrapKey", "unwrapKey"];

/** Calls of the file system, zlib and crypto that complete later: a world with a gate runs them for real. */
export function patchGatedCalls(): void {
  const callbacks = fs as unknown as Methods;
  const promises = fs.promises as unknown as Methods;
  for (const name of Object.keys(promises)) {
    if (typeof promises[name] !== "function" || name === "watch") continue;
    gatePromise(promises, name, `fs.${name}`);
    if (typeof callbacks[name] === "function") gateCallback(callbacks, name, `fs.${name}`);
  }
  // File streams and descriptors use these, which have no promise form on the module.
  for (const name of ["read", "write", "writev", "readv", "close", "fstat", "fsync", "ftruncate"])
    gateCallback(callbacks, name, `fs.${name}`);
  for (const name of [...zlibCalls, ...newerZlibCalls]) gateCallback(zlib as unknown as Methods, name, `zlib.${name}`);
  for (const name of cryptoCalls) gateCallback(crypto as unknown as Methods, name, `crypto.${name}`);
  const subtle = Object.getPrototypeOf(globalThis.crypto.subtle) as Methods;
  for (const name of [...subtleCalls, ...subtleKeyCalls]) gatePromise(subtle, name, `crypto.subtle.${name}`);
}

function gate(): Gate | undefined {
  return currentWorld()?.gate;
}

function gatePromise(holder: Methods, name: string, label: string): void {
  if (typeof holder[name] !== "function") return;
  patch(holder, name, (original) => {
    return function gated(this: unknown, ...args: unknown[]) {
      const start = () => Reflect.apply(original, this, args) as Promise<unknown>;
      return gate()?.promise(label, () => start().then(gateHandle)) ?? start();
    };
  });
}

function gateCallback(holder: Methods, name: string, label: string): void {
  if (typeof holder[name] !== "function") return;
  patch(holder, name, (original) => {
    return function gated(this: unknown, ...args: unknown[]) {
      const callback = args.at(-1);
      const current = gate();
      if (current === undefined || typeof callback !== "function") return Reflect.apply(original, this, args);
      const start = (done: Method) => Reflect.apply(original, this, [...args.slice(0, -1), done]);
      return current.callback(label, start, callback as Method);
    };
  });
}

const gatedPrototypes = new WeakSet<object>();

/** The class of file handles is not exported; its methods are gated when the first one is seen. */
function gateHandle(value: unknown): unknown {
  const prototype =
    typeof value === "object" && value !== null ? (Object.getPrototypeOf(value) as Methods | null) : null;
  if (prototype?.constructor.name !== "FileHandle") return value;
  // Unlike the rest, `close` is a member of each handle.
  gatePromise(value as Methods, "close", "file.close");
  if (gatedPrototypes.has(prototype)) return value;
  gatedPrototypes.add(prototype);
  for (const name of fileCalls) gatePromise(prototype, name, `file.${name}`);
  return value;
}
