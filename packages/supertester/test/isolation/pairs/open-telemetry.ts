import assert from "node:assert/strict";
import { logs, type Logger } from "@opentelemetry/api-logs";
import { LoggerProvider, SimpleLogRecordProcessor, InMemoryLogRecordExporter } from "@opentelemetry/sdk-logs";
import { MeterProvider } from "@opentelemetry/sdk-metrics";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { scopeLogRecordProcessor, scopeMeterProvider, scopeSpanProcessor } from "../../../src/index.ts";
import type { Pair } from "./pair.ts";

// The one provider of each kind that a process may have, with an exporter as applications have it and the kit's routing.
const exportedSpans = new InMemorySpanExporter();
const tracer = new TracerProvider({
  spanProcessors: [new SimpleSpanProcessor({ exporter: exportedSpans }), scopeSpanProcessor()],
}).getTracer("pairs");
const exportedRecords = new InMemoryLogRecordExporter();
const loggerProvider = new LoggerProvider({
  processors: [new SimpleLogRecordProcessor({ exporter: exportedRecords }), scopeLogRecordProcessor()],
});
logs.setGlobalLoggerProvider(loggerProvider);
const logger: Logger = logs.getLogger("pairs");
const counted: number[] = [];
const counter = scopeMeterProvider(new MeterProvider()).getMeter("pairs").createCounter("orders");
const count = (n: number) => {
  counted.push(n);
  counter.add(n, { n });
};

/** Spans that something shared ends later, as batching clients do. */
const unended: { end(): void }[] = [];
setInterval(() => {
  for (const span of unended.splice(0)) span.end();
}, 0);

export const pairs: readonly Pair[] = [
  {
    promise: "OpenTelemetry spans",
    async bare({ n, pause }) {
      exportedSpans.reset();
      const span = tracer.startSpan("order", { attributes: { n } });
      await pause();
      span.end();
      assert.deepEqual(
        exportedSpans.getFinishedSpans().map(({ attributes }) => attributes["n"]),
        [n],
      );
    },
    async kit({ n, pause }, scope) {
      const span = tracer.startSpan("order", { attributes: { n } });
      await pause();
      unended.push(span);
      while (unended.length > 0) await pause();
      assert.deepEqual((await scope.spans().one()).attributes, { n });
    },
  },
  {
    promise: "OpenTelemetry log records",
    async bare({ n, pause }) {
      exportedRecords.reset();
      await pause();
      logger.emit({ body: `order ${n}` });
      await pause();
      assert.deepEqual(
        exportedRecords.getFinishedLogRecords().map(({ body }) => body),
        [`order ${n}`],
      );
    },
    async kit({ n, pause }, scope) {
      await pause();
      logger.emit({ body: `order ${n}` });
      await pause();
      assert.equal((await scope.logRecords().one()).body, `order ${n}`);
    },
  },
  {
    promise: "OpenTelemetry measurements",
    async bare({ n, pause }) {
      counted.length = 0;
      count(n);
      await pause();
      assert.deepEqual(counted, [n]);
    },
    async kit({ n, pause }, scope) {
      count(n);
      await pause();
      assert.deepEqual(await scope.measurements().one(), {
        meter: "pairs",
        instrument: "orders",
        value: n,
        attributes: { n },
      });
    },
  },
];
