/** Ends its process with code 3 while the engine's thread is in native code, for the first time and for long. */
import { OnnxEngine } from "../../../src/engine/onnx-engine.ts";
import { adapterSpec, crossEntropy, randomExamples, tinyModel } from "./tiny-model.ts";

const engine = await OnnxEngine.create({ models: [tinyModel({ layers: 12 })] });
await engine.createAdapter("a", adapterSpec());
void engine.forwardBackward("a", crossEntropy(randomExamples(1, Array<number>(300).fill(60))));
setTimeout(() => process.exit(3), 120);
