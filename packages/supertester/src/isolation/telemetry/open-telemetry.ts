import { processSingleton } from "../../context/process-singleton.ts";
import { activeContext, type Facet, type ScopeContext } from "../../context/scope-context.ts";
import { recordUnattributed } from "../../context/unattributed.ts";

/**
 * The OpenTelemetry providers of a process are set once, for all tests; so what they emit is routed at the moment it is
 * emitted, and the types here are structural: this package does not depend on OpenTelemetry.
 */
export type OpenTelemetryKind = "span" | "log-record" | "measurement";

/** The part of an ended span of the OpenTelemetry SDK that tests look at most; the recording holds the SDK's own spans. */
export interface RecordedSpan {
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly status: { readonly code: number; readonly message?: string };
}

/** As `RecordedSpan`, for log records. */
export interface RecordedLogRecord {
  readonly body?: unknown;
  readonly severityNumber?: number;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** One call of `add` or `record` on a synchronous instrument. */
export interface Measurement {
  readonly meter: string;
  readonly instrument: string;
  readonly value: number;
  readonly attributes: Readonly<Record<string, unknown>>;
}

type Emissions = Readonly<Record<OpenTelemetryKind, unknown[]>>;

const emissions: Facet<Emissions> = {
  name: "open-telemetry",
  create: () => ({ span: [], "log-record": [], measurement: [] }),
};

/** Kinds that something routes in this process: a check of any other would check nothing. */
const routedKinds = () => processSingleton("open-telemetry-kinds", () => new Set<OpenTelemetryKind>());

/** Whether anything routes `kind`. */
export function routes(kind: OpenTelemetryKind): boolean {
  return routedKinds().has(kind);
}

/** What `context` has emitted of `kind`, live. */
export function emissionsOf(context: ScopeContext, kind: OpenTelemetryKind): readonly unknown[] {
  return context.get(emissions)[kind];
}

function emit(kind: OpenTelemetryKind, name: string, value: unknown, context: ScopeContext | undefined): void {
  if (context === undefined || context.phase === "ended") recordUnattributed(kind, name, value);
  else context.get(emissions)[kind].push(value);
}

/** What every processor of the OpenTelemetry SDKs has to have besides its callbacks. */
interface Flushing {
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
}

const nothingToFlush: Flushing = { forceFlush: async () => undefined, shutdown: async () => undefined };

/** A span processor for the SDK's tracer provider: an ended span belongs to the test that *started* it. */
export interface ScopeSpanProcessor extends Flushing {
  onStart(span: object): void;
  onEnd(span: { readonly name: string }): void;
}

/** Makes a span processor; pass it to the one tracer provider of the process, beside exporters or instead of them. */
export function scopeSpanProcessor(): ScopeSpanProcessor {
  routedKinds().add("span");
  const owners = new WeakMap<object, ScopeContext | undefined>();
  return {
    ...nothingToFlush,
    onStart: (span) => void owners.set(span, activeContext()),
    onEnd: (span) => emit("span", span.name, span, owners.has(span) ? owners.get(span) : activeContext()),
  };
}

/** A log record processor for the SDK's logger provider. */
export interface ScopeLogRecordProcessor extends Flushing {
  onEmit(record: object): void;
}

/** Makes a log record processor; pass it to the one logger provider of the process. */
export function scopeLogRecordProcessor(): ScopeLogRecordProcessor {
  routedKinds().add("log-record");
  return { ...nothingToFlush, onEmit: (record) => emit("log-record", "log record", record, activeContext()) };
}

type Method = (...args: unknown[]) => unknown;

/** `target`, with some of its methods replaced; the rest keep `target` as `this`, which private fields need. */
function withMethods<T extends object>(target: T, replace: (name: string, method: Method) => Method): T {
  return new Proxy(target, {
    get(_, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function" || typeof name !== "string") return value;
      return replace(name, (...args) => Reflect.apply(value, target, args));
    },
  });
}

/** Arguments of `add` and `record`. */
type Recorded = readonly [value: number, attributes?: Readonly<Record<string, unknown>>];

function routedInstrument(meter: string, instrument: string, inner: object): object {
  return withMethods(inner, (name, method) =>
    name !== "add" && name !== "record"
      ? method
      : (...args) => {
          const [value, attributes = {}] = args as unknown as Recorded;
          const measurement: Measurement = { meter, instrument, value, attributes };
          emit("measurement", instrument, measurement, activeContext());
          return method(...args);
        },
  );
}

/**
 * The meter provider, with every measurement of its synchronous instruments routed to the test that makes it, before it is
 * aggregated. Observable instruments are read by a collector that belongs to no test: they are left alone.
 */
export function scopeMeterProvider<P extends { getMeter(name: string): object }>(provider: P): P {
  routedKinds().add("measurement");
  const routedMeter = (meter: string, inner: object) =>
    withMethods(inner, (name, method) =>
      /^create(?:Counter|UpDownCounter|Histogram|Gauge)$/.test(name)
        ? (...args) => routedInstrument(meter, String(args[0]), method(...args) as object)
        : method,
    );
  return withMethods(provider, (name, method) =>
    name === "getMeter" ? (...args) => routedMeter(String(args[0]), method(...args) as object) : method,
  );
}
