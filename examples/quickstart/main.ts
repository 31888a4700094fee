/**
 * `npm start`: fine-tunes a model on this machine and shows what it says before and after. What it does with Tinker is
 * in fine-tune.ts; this file is the command around it.
 */
import { ServiceClient, TinkerError } from "tinkex";
import { accuracy, ask, fineTune, toTrainingRow } from "./fine-tune.ts";
import type { Answer } from "./fine-tune.ts";
import { UsageError, readOptions, usage } from "./options.ts";
import type { QuickstartOptions } from "./options.ts";
import { ProgressBar } from "./progress-bar.ts";
import { DataError, readData } from "./read-data.ts";
import type { Example } from "./read-data.ts";

const checkpointFolder = ".tinkex";
const shownSamples = 3;
const interrupted = 130;

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2), process.env);
  if (!options) {
    console.log(usage);
    return 0;
  }
  // Read before anything is started: a typing error in line 17 should not cost a model's start-up.
  const examples = await readData(options.data);
  if (options.baseUrl !== undefined) return await run(options, examples, new ServiceClient());

  const { LocalTinker } = await import("@tinkex/local");
  await using tinker = await LocalTinker.start({ folder: checkpointFolder });
  return await run(options, examples, new ServiceClient({ baseUrl: tinker.url, apiKey: tinker.apiKey }));
}

async function run(options: QuickstartOptions, examples: readonly Example[], client: ServiceClient): Promise<number> {
  await using service = client;
  const stop = stopOnInterrupt();
  const { modelName = "", maxContextLength = 2048 } = await chooseModel(service, options.baseModel);
  console.log(`Fine-tuning ${modelName} at ${options.baseUrl ?? "a Tinker in this process"}`);
  const training = await service.createLoraTrainingClient({ baseModel: modelName, rank: options.rank, seed: 1 });
  const tokenizer = await training.getTokenizer();

  const heldOut = examples.slice(-Math.max(1, Math.min(64, Math.floor(examples.length / 10))));
  const rows = examples
    .slice(0, examples.length - heldOut.length)
    .map((example) => toTrainingRow(example, tokenizer, maxContextLength));
  const maxTokens = Math.max(...heldOut.map(({ completion }) => tokenizer.encode(completion).length)) + 8;
  console.log(`${rows.length} rows to train on, ${heldOut.length} held out, rank ${options.rank}\n`);

  const test = async (): Promise<readonly Answer[]> => {
    await using sampling = await training.saveWeightsAndGetSamplingClient();
    return await ask(sampling, tokenizer, heldOut, maxTokens);
  };
  const before = await test();
  const started = performance.now();
  const losses = await train();
  const seconds = (performance.now() - started) / 1000;
  const after = await test();

  const { path } = await training.saveState(`quickstart-${new Date().toISOString().replaceAll(/\D/g, "")}`);
  showSamples(before, after);
  const [first, last] = [mean(losses.slice(0, 5)), mean(losses.slice(-5))];
  console.log(
    `Loss per token       ${first.toFixed(3)} -> ${last.toFixed(3)}  (${losses.length} steps, ${seconds.toFixed(1)} s)`,
  );
  console.log(`Held-out exact match ${percent(accuracy(before))} -> ${percent(accuracy(after))}`);
  console.log(`Checkpoint           ${path}${options.baseUrl === undefined ? `  in ${checkpointFolder}/` : ""}\n`);
  console.log("Your own data:       npm start -- --data my.jsonl --steps 200");
  console.log("A real Tinker:       TINKER_BASE_URL=… TINKER_API_KEY=… npm start");
  return stop.aborted ? interrupted : 0;

  async function train(): Promise<readonly number[]> {
    using bar = new ProgressBar();
    const { steps, batch, learningRate } = options;
    return await fineTune({
      training,
      rows,
      steps,
      batch,
      learningRate,
      signal: stop,
      onStep: (report) => bar.show(report),
    });
  }
}

/** Aborts at the first Ctrl-C, so that the step under way ends and its result is saved; the second one quits. */
function stopOnInterrupt(): AbortSignal {
  const controller = new AbortController();
  process.on("SIGINT", () => {
    if (controller.signal.aborted) process.exit(interrupted);
    console.error("\nStopping after this step; what was learned is kept. Press Ctrl-C again to quit at once.");
    controller.abort();
  });
  return controller.signal;
}

async function chooseModel(
  service: ServiceClient,
  wanted: string | undefined,
): Promise<{ readonly modelName?: string; readonly maxContextLength?: number }> {
  const { supportedModels } = await service.getServerCapabilities();
  const model =
    wanted === undefined ? supportedModels[0] : supportedModels.find(({ modelName }) => modelName === wanted);
  if (model) return model;
  const names = supportedModels.map(({ modelName }) => modelName).join(", ");
  throw new UsageError(`The server has no model ${JSON.stringify(wanted ?? "")}; it has: ${names}`);
}

function showSamples(before: readonly Answer[], after: readonly Answer[]): void {
  console.log("\nWhat it says to prompts it has not seen:\n");
  for (const [index, { prompt, said }] of after.slice(0, shownSamples).entries()) {
    console.log(`  ${prompt}`);
    console.log(`    before  ${oneLine(before[index]?.said ?? "")}`);
    console.log(`    after   ${oneLine(said)}\n`);
  }
}

function oneLine(text: string): string {
  const line = JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
  return line === "" ? "(nothing)" : line.length > 90 ? `${line.slice(0, 90)}…` : line;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

try {
  process.exitCode = await main();
} catch (error) {
  if (
    error instanceof DataError ||
    error instanceof UsageError ||
    error instanceof RangeError ||
    TinkerError.isInstance(error)
  ) {
    console.error(error.message);
  } else {
    console.error(error);
  }
  process.exitCode = 1;
}
