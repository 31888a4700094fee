import { loraAlpha, type AdapterSpec, type AdapterState } from "../../engine/engine.ts";
import { readSafetensors, writeSafetensors } from "../../model/safetensors.ts";

type Tensor = AdapterState["tensors"] extends ReadonlyMap<string, infer T> ? T : never;

/** The files of one checkpoint, by name. */
export type CheckpointFiles = ReadonlyMap<string, Uint8Array>;

const weightsFile = "adapter_model.safetensors";
const configFile = "adapter_config.json";
const optimizerFile = "optimizer.safetensors";
/** Tools that fetch an archive take a folder without this for one that is still being written. */
const completeFile = "checkpoint_complete";

/**
 * The files of an adapter as Hugging Face PEFT reads them, plus Adam's state in a file of its own. Moments are named
 * after their tensor with `.exp_avg` and `.exp_avg_sq` behind it, and the step count, a tensor of one value, `step`.
 */
export function encodeAdapter(state: AdapterState): CheckpointFiles {
  const files = new Map([
    [weightsFile, writeSafetensors(state.tensors, "F32")],
    [configFile, new TextEncoder().encode(`${JSON.stringify(peftConfig(state), undefined, 2)}\n`)],
    [completeFile, new Uint8Array()],
  ]);
  if (state.optimizer !== undefined) {
    const { step, firstMoment, secondMoment } = state.optimizer;
    const moments = new Map<string, Tensor>([["step", { shape: [1], data: new Float32Array([step]) }]]);
    for (const [suffix, moment] of [
      ["exp_avg", firstMoment],
      ["exp_avg_sq", secondMoment],
    ] as const) {
      for (const [name, data] of moment) {
        moments.set(`${name}.${suffix}`, { shape: state.tensors.get(name)?.shape ?? [data.length], data });
      }
    }
    files.set(optimizerFile, writeSafetensors(moments, "F32"));
  }
  return files;
}

/** Reads back what `encodeAdapter` wrote, with Adam's state if it is there and wanted. Throws `EngineError`. */
export function decodeAdapter(
  spec: AdapterSpec,
  files: CheckpointFiles,
  options: { readonly optimizer: boolean },
): AdapterState {
  const weights = files.get(weightsFile);
  if (weights === undefined) throw new Error(`the checkpoint has no ${weightsFile}`);
  const tensors = readSafetensors(weights, weightsFile);
  const optimizer = files.get(optimizerFile);
  if (!options.optimizer || optimizer === undefined) return { spec, tensors };
  const moments = readSafetensors(optimizer, optimizerFile);
  const moment = (suffix: string): ReadonlyMap<string, Float32Array> =>
    new Map(
      [...moments]
        .filter(([name]) => name.endsWith(`.${suffix}`))
        .map(([name, { data }]) => [name.slice(0, -suffix.length - 1), data]),
    );
  return {
    spec,
    tensors,
    optimizer: {
      step: moments.get("step")?.data[0] ?? 0,
      firstMoment: moment("exp_avg"),
      secondMoment: moment("exp_avg_sq"),
    },
  };
}

function peftConfig({ spec, tensors }: AdapterState): Readonly<Record<string, unknown>> {
  const modules = [...tensors.keys()].flatMap((name) => /([^.]+)\.lora_A\./.exec(name)?.[1] ?? []);
  return {
    peft_type: "LORA",
    task_type: "CAUSAL_LM",
    base_model_name_or_path: spec.baseModel,
    r: spec.rank,
    lora_alpha: loraAlpha,
    lora_dropout: 0,
    bias: "none",
    target_modules: [...new Set(modules)].sort(),
    inference_mode: true,
  };
}
