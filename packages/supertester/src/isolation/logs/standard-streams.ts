import { nextTick } from "node:process";
import { processSingleton } from "../../context/process-singleton.ts";
import { activeLog, appendRecord, logLevels, recordUnowned } from "./log-record.ts";

type Write = (chunk: string | Uint8Array, encoding?: BufferEncoding | Done, done?: Done) => boolean;
type Done = (error?: Error | null) => void;

function install(name: "stdout" | "stderr"): void {
  const stream = process[name];
  const original = stream.write.bind(stream) as Write;
  const level = name === "stdout" ? logLevels.info : logLevels.error;
  const write: Write = (chunk, encoding, done) => {
    const log = activeLog();
    if (log === undefined) {
      recordUnowned(name, chunk);
      return original(chunk, encoding, done);
    }
    const text = typeof chunk === "string" ? chunk : Buffer.from(chunk).toString();
    appendRecord(log, { source: name, level, message: text.replace(/\n$/, ""), fields: {} });
    const callback = typeof encoding === "function" ? encoding : done;
    if (callback !== undefined) nextTick(callback);
    return true;
  };
  stream.write = write;
}

/** Routes `process.stdout.write` and `process.stderr.write`, which a console captured earlier ends in too. */
export function installStandardStreams(): void {
  processSingleton("standard-streams", () => {
    install("stdout");
    install("stderr");
    return true;
  });
}
