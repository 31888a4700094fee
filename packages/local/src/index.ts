export { LocalTinker } from "./local-tinker.ts";
export type { ListenOptions, LocalTinkerOptions } from "./local-tinker.ts";

export { createTinkerApp } from "./server/app.ts";
export type { ServerStatus, TinkerApp, TinkerAppOptions } from "./server/app.ts";
export { MemoryCheckpointStore } from "./server/checkpoints/checkpoint-store.ts";
export type { CheckpointStore } from "./server/checkpoints/checkpoint-store.ts";
export type { CheckpointRecord } from "./server/checkpoints/checkpoint-record.ts";
export { DiskCheckpointStore } from "./server/checkpoints/disk-checkpoint-store.ts";
export type { CheckpointFiles } from "./server/checkpoints/peft-layout.ts";
export type { Fault, FaultRule, Faults, InjectedFault } from "./server/faults.ts";
export type { ServerLimits } from "./server/limits.ts";
export type { InProcessFetch } from "./server/in-process-fetch.ts";
export type { PausedState } from "./server/pause-gate.ts";
export type { Runtime } from "./server/runtime.ts";
export type { Dialect } from "./server/server-context.ts";

export { EngineError } from "./engine/engine.ts";
export type {
  AdapterSpec,
  AdapterState,
  BaseModel,
  Engine,
  PassResult,
  SampleResult,
  SampleWork,
  TrainingExample,
  TrainingPass,
} from "./engine/engine.ts";
export type { ModelSource } from "./engine/engine-messages.ts";
export { OnnxEngine, type OnnxEngineOptions } from "./engine/onnx-engine.ts";
export { shippedModel } from "./shipped-model.ts";
export { ScriptedEngine } from "./engine/scripted-engine.ts";
export type { Effect, EngineGate, EngineOperation } from "./engine/scripted-engine.ts";
