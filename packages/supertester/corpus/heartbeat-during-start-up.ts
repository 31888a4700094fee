import type { SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

class Session {
  #id: string | undefined;
  #heartbeat: NodeJS.Timeout | undefined;

  async start(): Promise<void> {
    this.startHeartbeat();
    await this.register();
  }

  async stop(): Promise<void> {
    clearInterval(this.#heartbeat);
    await fetch(`http://api.test/sessions/${this.#id}`, { method: "DELETE" });
  }

  protected async register(): Promise<void> {
    const response = await fetch("http://api.test/sessions", { method: "POST" });
    this.#id = ((await response.json()) as { id: string }).id;
  }

  protected startHeartbeat(): void {
    this.#heartbeat = setInterval(() => void this.#beat(), 100);
  }

  async #beat(): Promise<void> {
    await fetch(`http://api.test/sessions/${this.#id}/heartbeat`, { method: "POST" });
  }
}

class OrderlySession extends Session {
  override async start(): Promise<void> {
    await this.register();
    this.startHeartbeat();
  }
}

const program =
  (SomeSession: typeof Session): SimBody =>
  async (sim) => {
    const unknown: string[] = [];
    sim.http("api.test", ({ path }) => {
      if (path.includes("undefined")) unknown.push(path);
      return { json: { id: "s1" } };
    });
    const session = new SomeSession();
    await session.start();
    await sim.sleep(150);
    await session.stop();
    await sim.sleep(300);
    if (unknown.length > 0) throw new Error(`the server was asked for ${unknown[0]}`);
  };

export const heartbeatDuringStartUp: Bug = {
  name: "heartbeat-during-start-up",
  pattern: "a heartbeat is sent before the session that it keeps alive has an id",
  kind: "assertion",
  buggy: program(Session),
  fixed: program(OrderlySession),
};
