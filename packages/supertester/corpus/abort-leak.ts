import type { SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

/** At most one request at a time. */
class Pool {
  #busy = false;
  readonly #waiting: (() => void)[] = [];

  async request(url: string, signal: AbortSignal): Promise<string> {
    await this.acquire();
    const response = await fetch(url, { signal });
    const text = await response.text();
    this.release();
    return text;
  }

  protected async acquire(): Promise<void> {
    if (this.#busy) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#busy = true;
  }

  protected release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#busy = false;
    else next();
  }
}

class CarefulPool extends Pool {
  override async request(url: string, signal: AbortSignal): Promise<string> {
    await this.acquire();
    try {
      const response = await fetch(url, { signal });
      return await response.text();
    } finally {
      this.release();
    }
  }
}

const program =
  (Connections: typeof Pool): SimBody =>
  async (sim) => {
    sim.http("api.test", () => ({ body: "ok" }));
    const pool = new Connections();
    const impatient = sim.spawn("impatient", async () => {
      try {
        await pool.request("http://api.test/", AbortSignal.timeout(80));
      } catch (error) {
        if ((error as Error).name !== "TimeoutError") throw error;
      }
    });
    const patient = sim.spawn("patient", () => pool.request("http://api.test/", new AbortController().signal));
    await Promise.all([impatient, patient]);
  };

export const abortLeak: Bug = {
  name: "abort-leak",
  pattern: "a request that is aborted never gives its connection back, and those behind it wait for ever",
  kind: "deadlock",
  buggy: program(Pool),
  fixed: program(CarefulPool),
};
