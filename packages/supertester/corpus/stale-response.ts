import type { SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

class SearchBox {
  shown = "";

  async type(text: string): Promise<void> {
    this.shown = await this.query(text);
  }

  protected async query(text: string, signal?: AbortSignal): Promise<string> {
    const response = await fetch(`http://search.test/?q=${text}`, { signal: signal ?? null });
    return ((await response.json()) as { results: string }).results;
  }
}

class LatestOnlySearchBox extends SearchBox {
  #current = new AbortController();

  override async type(text: string): Promise<void> {
    this.#current.abort();
    const { signal } = (this.#current = new AbortController());
    try {
      const results = await this.query(text, signal);
      if (!signal.aborted) this.shown = results;
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

const program =
  (Box: typeof SearchBox): SimBody =>
  async (sim) => {
    sim.http("search.test", ({ url }) => ({ json: { results: `results for ${url.searchParams.get("q")}` } }));
    const box = new Box();
    const typing = ["a", "ab", "abc"].map(async (text, index) => {
      await sim.sleep(60 * index);
      await box.type(text);
    });
    await Promise.all(typing);
    if (box.shown !== "results for abc") throw new Error(`the box says "abc" and shows ${box.shown}`);
  };

export const staleResponse: Bug = {
  name: "stale-response",
  pattern: "the answer to an older query arrives last and replaces that of the newest",
  kind: "assertion",
  buggy: program(SearchBox),
  fixed: program(LatestOnlySearchBox),
};
