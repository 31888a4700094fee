import { styleText } from "node:util";
import { messageOf } from "../simulation/failure.ts";
import type { FailureDetails } from "./schedule-failure.ts";
import type { TraceStep } from "./tracer.ts";

/** How a report is laid out. */
export interface ReportStyle {
  /** Columns available. Default 120. */
  readonly width?: number;
  /** Default false: the same text in a log and in a terminal. */
  readonly color?: boolean;
}

/** Rows of a trace that are shown; of a longer one, those around the delayed events and the end. */
const maxRows = 30;
const context = 3;

/** The report of a failure as text: what, why, how it went, and how to see it again. */
export function renderReport(failure: FailureDetails, { width = 120, color = false }: ReportStyle = {}): string {
  const paint = (format: Parameters<typeof styleText>[0], text: string) =>
    color ? styleText(format, text, { validateStream: false }) : text;
  const lines = [paint(["bold", "red"], headline(failure)), ""];
  lines.push(...explanation(failure).map((line) => paint("yellow", line)), "");
  if (failure.waiting.length > 0) {
    lines.push(...failure.waiting.slice(0, 12).map(({ task, at }) => `  ${task} waits at ${at}`), "");
  }
  lines.push(
    ...traceTable(
      failure,
      width,
      (text) => paint("dim", text),
      (text) => paint("bold", text),
    ),
    "",
  );
  lines.push(`  replay  ${paint("cyan", failure.command)}`);
  return lines.join("\n");
}

function headline({ kind, error }: FailureDetails): string {
  const message = messageOf(error);
  return message.startsWith(kind) ? message : `${kind}: ${message}`;
}

function explanation({ delays, decisions, scripted, runs, shrinkRuns }: FailureDetails): string[] {
  const found = `found in schedule ${runs}${shrinkRuns > 1 ? `, shrunk in ${shrinkRuns} more` : ""}`;
  if (delays.length + decisions.length + scripted === 0) return [`  happens in the natural order of events (${found})`];
  const lines = delays.map(({ event, past }) =>
    past === undefined ? `  "${event}" as late as its latency allows` : `  "${event}" delayed past "${past}"`,
  );
  lines.push(...decisions.map(({ label, value }) => `  ${label} = ${value}`));
  if (scripted > 0)
    lines.push(`  ${scripted} steps out of the natural order; no smaller set of delays has the same effect`);
  return [...lines, `  (${found})`];
}

/** A column per task, so that who ran when can be seen at a glance; the line of code that went on is to the right. */
function traceTable(
  { trace, delays }: FailureDetails,
  width: number,
  dim: (text: string) => string,
  strong: (text: string) => string,
): string[] {
  if (trace.length === 0) return ["  nothing ran"];
  const marks = new Map<string, "delayed" | "past">();
  for (const { event, past } of delays) {
    if (past !== undefined) marks.set(past, "past");
    marks.set(event, "delayed");
  }
  const lanes = lanesOf(trace, [...marks.keys()].map(laneOf));
  const shown = rowsToShow(trace, marks);
  const sources = trace.map(({ resumed, createdAt }) => resumed.at(-1) ?? createdAt ?? "");
  const sourceWidth = Math.min(
    Math.max(0, ...[...shown].map((index) => sources[index]?.length ?? 0)),
    Math.floor(width * 0.32),
  );
  const cellOf = cellWriter(trace, lanes, marks);
  const widths = columnWidths(lanes, [...shown].map(cellOf), width - 13 - sourceWidth);
  const header = lanes.map((lane, column) => fit(lane, widths[column] ?? 0)).join("");
  const lines = [dim(`  ${"t (ms)".padStart(9)}  ${header}`.trimEnd())];
  let skipped = 0;
  for (const [index, step] of trace.entries()) {
    if (!shown.has(index)) {
      skipped++;
      continue;
    }
    if (skipped > 0) lines.push(dim(`  ${"".padStart(9)}  ... ${skipped} more`));
    skipped = 0;
    const { column, text } = cellOf(index);
    const cells = lanes.map((_, at) => fit(at === column ? text : "", widths[at] ?? 0)).join("");
    const time = String(Number(step.time.toFixed(3))).padStart(9);
    lines.push(
      `  ${time}  ${marks.has(step.key) ? strong(cells) : cells}${dim(tail(sources[index] ?? "", sourceWidth))}`.trimEnd(),
    );
  }
  if (marks.size > 0) lines.push(dim(`  ${"".padStart(9)}  * delayed`));
  return lines;
}

/** What stands in the row of a step, and in which column. */
function cellWriter(trace: readonly TraceStep[], lanes: readonly string[], marks: ReadonlyMap<string, string>) {
  return (index: number): { readonly column: number; readonly text: string } => {
    const { task = "", label = "", key = "" } = trace[index] ?? {};
    const own = lanes.indexOf(task);
    const text = `${marks.get(key) === "delayed" ? "* " : ""}${own === -1 ? `${task}: ` : ""}${label}`;
    return { column: own === -1 ? lanes.length - 1 : own, text };
  };
}

/** As wide as their contents; when that is too much together, the widest give way. */
function columnWidths(
  lanes: readonly string[],
  cells: readonly { column: number; text: string }[],
  available: number,
): number[] {
  const widths = lanes.map((lane) => lane.length + 2);
  for (const { column, text } of cells) widths[column] = Math.max(widths[column] ?? 0, text.length + 2);
  const fair = Math.floor(available / lanes.length);
  while (widths.reduce((sum, width) => sum + width, 0) > available && Math.max(...widths) > fair) {
    const widest = widths.indexOf(Math.max(...widths));
    widths[widest] = (widths[widest] ?? 0) - 1;
  }
  return widths;
}

/** Up to three columns of their own: the tasks of the explanation first, then by appearance; the rest share the last. */
function lanesOf(trace: readonly TraceStep[], involved: readonly string[]): string[] {
  const present = new Set(trace.map(({ task }) => task));
  const all = [...new Set([...involved.filter((lane) => present.has(lane)), ...present])];
  if (all.length <= 3) return all.sort((a, b) => firstStep(trace, a) - firstStep(trace, b));
  return [...all.slice(0, 2).sort((a, b) => firstStep(trace, a) - firstStep(trace, b)), "others"];
}

function firstStep(trace: readonly TraceStep[], lane: string): number {
  return trace.findIndex(({ task }) => task === lane);
}

function rowsToShow(trace: readonly TraceStep[], marks: ReadonlyMap<string, string>): Set<number> {
  if (trace.length <= maxRows) return new Set(trace.keys());
  const centres = [...trace.keys()].filter((index) => marks.has(trace[index]?.key ?? ""));
  const rows = new Set<number>();
  for (let index = trace.length - 8; index < trace.length; index++) rows.add(index);
  for (const centre of centres) {
    for (let index = centre - context; index <= centre + context; index++) if (rows.size < maxRows) rows.add(index);
  }
  return rows;
}

function laneOf(key: string): string {
  return key.slice(0, key.indexOf(": "));
}

function fit(text: string, width: number): string {
  return (text.length < width ? text : `${text.slice(0, width - 2)}…`).padEnd(width);
}

function tail(text: string, width: number): string {
  return text.length <= width ? text : `…${text.slice(text.length - width + 1)}`;
}
