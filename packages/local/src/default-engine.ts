import type { Engine } from "./engine/engine.ts";
import { OnnxEngine } from "./engine/onnx-engine.ts";
import { shippedModel } from "./shipped-model.ts";

/** The engine of a {@link LocalTinker} that was given none: the real one, on the base model that ships. */
export async function defaultEngine(): Promise<Engine> {
  return await OnnxEngine.create({ models: [shippedModel] });
}
