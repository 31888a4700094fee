import type { AsyncResource } from "node:async_hooks";
import { Duplex } from "node:stream";
import type { SimEvent } from "./event.ts";
import type { Kernel } from "./kernel.ts";
import type { Lane } from "./lane.ts";
import type { Latency } from "./options.ts";

/** What both ends of a connection share. */
export interface Wire {
  readonly kernel: Kernel;
  /** The client's; the events of both directions carry its name. */
  readonly lane: Lane;
  /** The server's on this connection; the news that one end has gone is its, so that it is not the client's leak. */
  readonly serverLane: Lane;
  readonly latency: Latency;
  /** Such as `localhost:3000`. */
  readonly name: string;
}

/** The address of one end. */
export interface Address {
  readonly address: string;
  readonly port: number;
  readonly family: "IPv4";
}

/**
 * One end of a connection in memory, with as much of `net.Socket` as HTTP clients and servers use. What is written
 * travels as an event; what is written while it travels joins it, as bytes in a TCP stream do.
 */
export class MemorySocket extends Duplex {
  connecting = true;
  timeout = 0;
  bytesRead = 0;
  bytesWritten = 0;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly remoteFamily = "IPv4";
  readonly localAddress: string;
  readonly localPort: number;
  readonly #local: Address;
  readonly #wire: Wire;
  readonly #arrow: "=>" | "<=";
  /** What this end receives is handled in this context. */
  readonly #context: AsyncResource;
  #peer: MemorySocket | undefined;
  #travelling: Buffer[] = [];
  #delivery: SimEvent | undefined;
  #finished: (() => void) | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(wire: Wire, side: "client" | "server", local: Address, remote: Address, context: AsyncResource) {
    super({ allowHalfOpen: side === "server", autoDestroy: true, emitClose: true });
    this.#wire = wire;
    this.#arrow = side === "client" ? "=>" : "<=";
    this.#local = local;
    this.#context = context;
    this.localAddress = local.address;
    this.localPort = local.port;
    this.remoteAddress = remote.address;
    this.remotePort = remote.port;
  }

  get readyState(): string {
    return this.connecting ? "opening" : this.destroyed ? "closed" : "open";
  }

  get pending(): boolean {
    return this.connecting;
  }

  /** Joins both ends; what the client has written so far starts to travel. */
  connectTo(peer: MemorySocket): void {
    this.#peer = peer;
    peer.#peer = this;
    peer.connecting = false;
    this.#context.runInAsyncScope(() => {
      this.connecting = false;
      this.emit("connect");
      this.emit("ready");
    });
    if (this.#travelling.length > 0 || this.#finished !== undefined) this.#travel();
  }

  override _read(): void {}

  override _write(chunk: Buffer | string, encoding: BufferEncoding, callback: (error?: Error) => void): void {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
    this.bytesWritten += bytes.length;
    this.#travelling.push(bytes);
    this.#touch();
    this.#travel();
    callback();
  }

  override _final(callback: () => void): void {
    this.#finished = callback;
    this.#travel();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#idle);
    const peer = this.#peer;
    if (peer !== undefined && !peer.destroyed && this.#delivery === undefined && this.#finished === undefined) {
      const { kernel, serverLane, latency, name } = this.#wire;
      const hangUp = () => peer.receive(() => peer.#hangUp(error !== null));
      kernel.schedule("io", `${name} ${this.#arrow} closed`, latency, hangUp, serverLane);
    }
    callback(error);
  }

  setTimeout(ms: number, callback?: () => void): this {
    this.timeout = ms;
    if (callback !== undefined) this.once("timeout", callback);
    this.#touch();
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  address(): Address {
    return this.#local;
  }

  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }

  resetAndDestroy(): this {
    return this.destroy(connectionError("ECONNRESET", "read ECONNRESET"));
  }

  /** Runs what arrival sets off in the context of this end. */
  receive(action: () => void): void {
    if (!this.destroyed) this.#context.runInAsyncScope(action);
  }

  #travel(): void {
    if (this.#peer === undefined || this.#delivery !== undefined) return;
    const { kernel, lane, latency, name } = this.#wire;
    const deliver = () => {
      this.#delivery = undefined;
      const bytes = Buffer.concat(this.#travelling);
      this.#travelling = [];
      const finished = this.#finished;
      this.#finished = undefined;
      const peer = this.#peer;
      peer?.receive(() => {
        if (bytes.length > 0) peer.#accept(bytes);
        if (finished !== undefined) peer.push(null);
      });
      finished?.();
    };
    this.#delivery = kernel.schedule("io", `${name} ${this.#arrow}`, latency, deliver, lane);
  }

  #accept(bytes: Buffer): void {
    this.bytesRead += bytes.length;
    this.#touch();
    this.push(bytes);
  }

  #hangUp(isReset: boolean): void {
    if (isReset) this.destroy(connectionError("ECONNRESET", "read ECONNRESET"));
    else this.push(null);
  }

  /** Starts the idle timeout anew. */
  #touch(): void {
    clearTimeout(this.#idle);
    if (this.timeout > 0) this.#idle = setTimeout(() => this.emit("timeout"), this.timeout).unref();
  }
}

/** An error as Node's sockets report it. */
export function connectionError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code, syscall: message.split(" ", 1)[0] });
}
