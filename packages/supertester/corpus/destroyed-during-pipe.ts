import { once } from "node:events";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Sim, SimBody } from "../src/index.ts";
import type { Bug } from "./bug.ts";

/** Copies a stream; resolves when the copy is complete or was given up. */
type Copy = (source: Readable, target: Writable) => Promise<void>;

/** `pipe` does not end its target when the source is destroyed. */
const piped: Copy = async (source, target) => {
  source.pipe(target);
  await once(target, "finish");
};

const pipelined: Copy = async (source, target) => {
  try {
    await pipeline(source, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_STREAM_PREMATURE_CLOSE") throw error;
  }
};

function download(sim: Sim): Readable {
  let chunks = 3;
  return new Readable({
    read() {
      void sim.io("chunk").then(() => this.push(chunks-- > 0 ? "data" : null));
    },
  });
}

function upload(sim: Sim): Writable {
  return new Writable({
    write(_chunk, _encoding, done) {
      void sim.io("store", done);
    },
  });
}

const program =
  (copy: Copy): SimBody =>
  async (sim) => {
    const source = download(sim);
    const cancel = setTimeout(() => source.destroy(), 150);
    await copy(source, upload(sim));
    clearTimeout(cancel);
    await sim.sleep(400);
  };

export const destroyedDuringPipe: Bug = {
  name: "destroyed-during-pipe",
  pattern: "the source of a pipe is destroyed half-way, and its target waits for the end for ever",
  kind: "deadlock",
  buggy: program(piped),
  fixed: program(pipelined),
};
