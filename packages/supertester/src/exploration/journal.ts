import { appendFileSync } from "node:fs";
import { messageOf } from "../simulation/failure.ts";
import type { ScheduleFailure, FailureDetails } from "./schedule-failure.ts";
import type { ExploreReport } from "./strategy.ts";

/** A failure as it travels between processes: the error is its message. */
export type RecordedFailure = Omit<FailureDetails, "error"> & { readonly error: string };

/** What an exploration tells the command line tool, as it happens. */
export type JournalEntry = {
  /** The exploration. */
  readonly name: string;
  /** Whether it ran only the schedule of a token. */
  readonly isReplay: boolean;
} & (
  | { readonly type: "progress"; readonly runs: number; readonly distinct: number; readonly ms: number }
  | { readonly type: "passed"; readonly report: ExploreReport }
  | { readonly type: "failed"; readonly failure: RecordedFailure }
);

/** Where the tool listens, if it does: a file that explorations in all processes of a test run append lines to. */
function journalFile(): string | undefined {
  const file = process.env["SUPERTESTER_JOURNAL"];
  return file === "" ? undefined : file;
}

/** Returns whether anybody listens. */
export function journal(entry: JournalEntry): boolean {
  const file = journalFile();
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(entry)}\n`);
  return file !== undefined;
}

export function recorded({ details }: ScheduleFailure): RecordedFailure {
  return { ...details, error: messageOf(details.error) };
}
