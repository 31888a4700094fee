import { patch } from "./patch.ts";
import { currentWorld } from "./world.ts";

/** `globalThis.fetch`. A library that captured it earlier, or brings its own, goes to the real network. */
export function patchFetch(): void {
  patch(globalThis, "fetch", (original) => (input, init) => (currentWorld()?.fetch ?? original)(input, init));
}
