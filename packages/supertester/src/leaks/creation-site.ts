import { relative } from "node:path";
import { fileURLToPath } from "node:url";

/** Where something was made: a stack that is only formatted when somebody reads it, which is when it has leaked. */
export interface CreationSite {
  readonly stack?: string;
}

const depth = 16;
const ownFolder = fileURLToPath(import.meta.url).replace(
  /([/\\](?:src|dist)[/\\])(?!.*[/\\](?:src|dist)[/\\]).*$/,
  "$1",
);

/** Captures the stack of the caller; costs about a microsecond. */
export function captureSite(): CreationSite {
  const before = Error.stackTraceLimit;
  Error.stackTraceLimit = depth;
  const site: CreationSite = {};
  Error.captureStackTrace(site, captureSite);
  Error.stackTraceLimit = before;
  return site;
}

/** The frames that are neither Node's nor this kit's, innermost first, as `file:line:column`. */
function frames(site: CreationSite): readonly string[] {
  return (site.stack ?? "")
    .split("\n")
    .slice(1)
    .map((line) => /\(?((?:file:\/\/)?[^\s()]+:\d+:\d+)\)?$/.exec(line)?.[1] ?? "")
    .filter((frame) => frame !== "" && !frame.startsWith("node:"))
    .map((frame) => (frame.startsWith("file://") ? toPath(frame) : frame))
    .filter((frame) => !frame.startsWith(ownFolder));
}

/** The lines of a stack that are neither Node's nor this kit's own, without the headline. */
export function stackLines(stack: string): string {
  return stack
    .split("\n")
    .filter((line) => /^\s+at /.test(line) && !/\bnode:/.test(line) && !line.includes(ownFolder))
    .join("\n");
}

function toPath(frame: string): string {
  const [, url = "", position = ""] = /^(.*?)((?::\d+){2})$/.exec(frame) ?? [];
  return fileURLToPath(url.replace(/\?.*$/, "")) + position;
}

/** The line to show a reader: the innermost one outside installed packages, else the innermost one. */
export function creationLine(site: CreationSite): string {
  const all = frames(site);
  const line = all.find((frame) => !/[/\\]node_modules[/\\]/.test(frame)) ?? all[0];
  if (line === undefined) return "an unknown line";
  const short = relative(process.cwd(), line);
  return short.startsWith("..") ? line : short;
}

/** Whether only a test runner and Node took part, and no code of the user or of a library. */
export function isRunnersOwn(site: CreationSite): boolean {
  const all = frames(site);
  return (
    all.length > 0 && all.every((frame) => /[/\\]node_modules[/\\](?:@vitest|vitest|vite|tinypool)[/\\]/.test(frame))
  );
}
