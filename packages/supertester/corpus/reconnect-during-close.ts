import type { SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

/** Opens a connection; the result closes it. */
type Connect = () => Promise<() => void>;

/** Reconnects 50 ms after it was cut off. */
class Client {
  protected isClosed = false;
  #disconnect: (() => void) | undefined;
  #retry: NodeJS.Timeout | undefined;
  readonly #connect: Connect;

  constructor(connect: Connect) {
    this.#connect = connect;
  }

  async open(): Promise<void> {
    const disconnect = await this.#connect();
    if (this.isUnwanted()) disconnect();
    else this.#disconnect = disconnect;
  }

  cutOff(): void {
    this.#disconnect?.();
    this.#disconnect = undefined;
    if (!this.isClosed) this.#retry = setTimeout(() => void this.open(), 50);
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.#retry);
    this.#disconnect?.();
  }

  /** Whether a connection that has just been opened has no use any more. */
  protected isUnwanted(): boolean {
    return false;
  }
}

class CarefulClient extends Client {
  protected override isUnwanted(): boolean {
    return this.isClosed;
  }
}

const program =
  (SomeClient: typeof Client): SimBody =>
  async (sim) => {
    let open = 0;
    const client = new SomeClient(() =>
      sim.io("connect", () => {
        open++;
        return () => open--;
      }),
    );
    await client.open();
    client.cutOff();
    await sim.sleep(150);
    client.close();
    await sim.sleep(300);
    if (open !== 0) throw new Error(`${open} connection is open after close`);
  };

export const reconnectDuringClose: Bug = {
  name: "reconnect-during-close",
  pattern: "a connection that was being opened again when the client was closed stays open",
  kind: "assertion",
  buggy: program(Client),
  fixed: program(CarefulClient),
};
