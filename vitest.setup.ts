// Every test is isolated by our own kit: telemetry, logs, environment and tables apart, and what it leaves open is a failure.
import { configure } from "supertester/vitest";

configure({
  // Long explorations say in their logs how far they got; otherwise only a failing test's log is of interest.
  printLogs: process.env["SUPERTESTER_MS"] === undefined ? "failed" : "always",
  // One listener on the process for all engines, added by the first and taken off by the last, whichever test that is.
  leaks: { allow: [/native-calls\.ts/] },
});
