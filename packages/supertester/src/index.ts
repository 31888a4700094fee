export { adopt, currentTestId, testIdVariable } from "./context/adopt.ts";
export { bind } from "./context/bind.ts";
export { IsolationError, SupertesterError, type IsolationErrorCode } from "./context/errors.ts";
export { FaultError, FaultPlan, type FaultKind, type FaultOptions, type InjectedFault } from "./harness/faults.ts";
export {
  assertNoHeapGrowth,
  HeapGrowthError,
  profile,
  type HeapGrowthLimits,
  type Profile,
  type ProfileOptions,
} from "./harness/profile.ts";
export {
  runScenario,
  scenarioBody,
  ScenarioError,
  type Scenario,
  type ScenarioEvent,
  type ScenarioOptions,
  type ScenarioReport,
  type ScenarioSimulation,
} from "./harness/scenario.ts";
export { install, isolate, type IsolateOptions } from "./isolation/isolate.ts";
export { logLevels, type LogLevel, type LogRecord } from "./isolation/logs/log-record.ts";
export { isolateLogger, type PinoLogger } from "./isolation/logs/pino.ts";
export type { ScopeLogs } from "./isolation/logs/scope-logs.ts";
export { scopeDispatcher, type ComposableDispatcher } from "./isolation/propagation/dispatcher.ts";
export { testIdHeader } from "./isolation/propagation/request-header.ts";
export { ExpectationError, type Recording } from "./isolation/recording.ts";
export { currentScope, type Scope } from "./isolation/scope.ts";
export type { Isolatable } from "./isolation/tables/isolatable.ts";
export { isolated, type Isolated, type IsolatedOptions } from "./isolation/tables/isolated.ts";
export { IsolatedMap, type TableMode, type TableOptions } from "./isolation/tables/isolated-map.ts";
export { SharedTable, type FlightOptions } from "./isolation/tables/shared-table.ts";
export type { TelemetryEvent } from "./isolation/telemetry/channels.ts";
export {
  scopeLogRecordProcessor,
  scopeMeterProvider,
  scopeSpanProcessor,
  type Measurement,
  type RecordedLogRecord,
  type RecordedSpan,
  type ScopeLogRecordProcessor,
  type ScopeSpanProcessor,
} from "./isolation/telemetry/open-telemetry.ts";
export { unattributed, type Unattributed } from "./context/unattributed.ts";
export type { Listening } from "./isolation/surroundings/listen.ts";
export { LeakError, type Leak, type LeakKind, type LeakRules, type LeakVerdict } from "./leaks/check.ts";
export { watchListeners } from "./leaks/listeners.ts";
export { NotSettledError, type SettleOptions } from "./leaks/quiescence.ts";
export type { Resource } from "./lifecycle/resource.ts";
export {
  SupervisionError,
  type ChildSpec,
  type SupervisedChild,
  type SuperviseOptions,
  type Supervisor,
  type SupervisorEvent,
} from "./lifecycle/supervise.ts";
export { TeardownError, type TeardownFailure } from "./lifecycle/teardown.ts";
export { explore, type ExploreOptions, type ExploreProgress, type ExploreReport } from "./exploration/explore.ts";
export { exploredProperty, type ExploredPropertyBody } from "./exploration/explored-property.ts";
export { ScheduleFailure, type Decision, type Delay, type FailureDetails } from "./exploration/schedule-failure.ts";
export { renderReport, type ReportStyle } from "./exploration/report.ts";
export type { Coverage } from "./exploration/strategy.ts";
export type { TraceStep, Waiting } from "./exploration/tracer.ts";
export { SimulationError, type FailureKind } from "./simulation/failure.ts";
export type {
  Fault,
  Faults,
  HttpApplication,
  HttpHandler,
  HttpOptions,
  SimRequest,
  SimResponse,
} from "./simulation/http-types.ts";
export type { EscapePolicy, Latency, LeakPolicy, RunOptions } from "./simulation/options.ts";
export type { IoOptions, Sim } from "./simulation/sim.ts";
export type { SimDispatcher } from "./simulation/undici-dispatcher.ts";
export { simulate, type SimBody } from "./simulation/simulate.ts";
export { VirtualClock, type VirtualClockOptions } from "./world/virtual-clock.ts";
