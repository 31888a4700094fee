import { relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The directory of this package, whose frames are never the answer to "who called". */
const ownDirectory = new URL("../", import.meta.url).href;
const ownPath = fileURLToPath(ownDirectory);

const location = /\(?((?:file:\/\/)?[^\s()]+):(\d+):(\d+)\)?$/;

/**
 * The innermost frame of a stack that is neither Node's nor ours, as `function file:line:column`; a frame of an installed package
 * only when there is none of the user's.
 */
export function callSite(stack: string): string | undefined {
  return callSites(stack)[0];
}

/** All such frames, innermost first; those of installed packages only when there are no others. */
export function callSites(stack: string): string[] {
  const own: string[] = [];
  const installed: string[] = [];
  for (const line of stack.split("\n")) {
    const frame = line.trim();
    const match = location.exec(frame);
    const file = match?.[1];
    if (file === undefined || !frame.startsWith("at ") || file.startsWith("node:")) continue;
    if (file.startsWith(ownDirectory) || file.startsWith(ownPath)) continue;
    const path = relative(process.cwd(), file.startsWith("file://") ? fileURLToPath(file) : file);
    const name = frame.includes("(")
      ? frame
          .slice(3, frame.lastIndexOf("("))
          .replace(/^async /, "")
          .trim()
      : "";
    // V8 names a closure after whatever property is near it; only methods of classes have a dot and mean it.
    const isNamed = name !== "" && !name.includes("<anonymous>") && /^([^.]+|[A-Z].*)$/.test(name);
    const site = `${isNamed ? `${name} ` : ""}${path}:${match?.[2] ?? ""}:${match?.[3] ?? ""}`;
    if (path.includes("node_modules")) installed.push(site);
    else own.push(site);
  }
  return own.length > 0 ? own : installed;
}

/** The stack of the caller with at most `depth` frames: libraries are deep, and the default of 10 may not reach the user's code. */
export function stackHere(depth: number): string {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = depth;
  const { stack = "" } = new Error("stack");
  Error.stackTraceLimit = stackTraceLimit;
  return stack;
}
