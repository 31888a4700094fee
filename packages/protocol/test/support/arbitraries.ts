import * as protocol from "@tinkex/protocol";
import * as fc from "fast-check";

/** Text of any script; not lone surrogates, which UTF-8 cannot carry. */
export const text = fc.string({ unit: "binary", maxLength: 8 });
const count = fc.nat();
const integer = fc.oneof(fc.integer(), fc.maxSafeInteger()).map((value) => value + 0);
const flag = fc.boolean();
/** JSON does not tell -0 from 0. */
const number = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
const int64 = fc.oneof(
  fc.maxSafeInteger().map((value) => value + 0),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
  fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
);
const date = fc.date({ min: new Date("0000-01-01"), max: new Date("9999-12-31"), noInvalidDate: true });
const record = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> =>
  fc.dictionary(text, value, { maxKeys: 3 });
const metadata = record(fc.oneof(text, fc.integer(), flag, fc.constant(null), fc.array(text, { maxLength: 2 })));
const list = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(value, { maxLength: 3 });

/** `required` fields, and any part of the `optional` ones. */
const object = <R extends object, O extends object = object>(
  required: { readonly [K in keyof R]: fc.Arbitrary<R[K]> },
  optional: { readonly [K in keyof O]: fc.Arbitrary<O[K]> } = {} as never,
): fc.Arbitrary<R & Partial<O>> =>
  fc.record<Record<string, unknown>>(
    { ...required, ...optional },
    {
      requiredKeys: Object.keys(required),
      noNullPrototype: true,
    },
  ) as fc.Arbitrary<R & Partial<O>>;

const bytes = fc.uint8Array({ maxLength: 12 });
const tokens = fc.int32Array({ maxLength: 5 });
const float32 = { noNaN: true, noDefaultInfinity: true, maxLength: 6 };
const positiveZero = (values: Float32Array): Float32Array => values.map((value) => value + 0);
const finiteFloats = fc.float32Array(float32).map(positiveZero);
const anyFloats = fc.float32Array({ maxLength: 6 });
const format = fc.constantFrom("png" as const, "jpeg" as const);

const textChunk = object({ type: fc.constant("encoded_text" as const), tokens });
const imageChunk = object({ type: fc.constant("image" as const), data: bytes, format }, { expectedTokens: count });
const pointerChunk = object(
  { type: fc.constant("image_asset_pointer" as const), format, location: text },
  { expectedTokens: count },
);
const dmelChunk = object({ type: fc.constant("dmel" as const), dmel: bytes });
const prompt = object({ chunks: list(fc.oneof(textChunk, imageChunk, pointerChunk, dmelChunk)) });
const trainingInput = object({ chunks: list(fc.oneof(textChunk, imageChunk, dmelChunk)) });

/** A shape for this many elements. */
const shapeOf = (length: number): fc.Arbitrary<readonly number[]> =>
  fc.constantFrom([length], [1, length], [length, 1], ...(length % 2 === 0 ? [[2, length / 2]] : []));
const wide = fc
  .bigInt64Array({ minLength: 1, maxLength: 5 })
  .filter((values) => values.some((v) => BigInt.asIntN(32, v) !== v));
const denseTensor = (floats: fc.Arbitrary<Float32Array>): fc.Arbitrary<protocol.TensorData> =>
  fc.oneof(
    floats.chain((data) => shapeOf(data.length).map((shape) => protocol.TensorData.float32(data, shape))),
    fc.oneof(tokens, wide).chain((data) => shapeOf(data.length).map((shape) => protocol.TensorData.int64(data, shape))),
  );
const sparseTensor = fc
  .array(fc.array(fc.nat({ max: 4 }), { maxLength: 3 }), { maxLength: 3 })
  .chain((rows) =>
    fc.record({
      rows: fc.constant(rows),
      values: fc.float32Array({ ...float32, minLength: rows.flat().length, maxLength: rows.flat().length }),
    }),
  )
  .map(({ rows, values }) =>
    protocol.TensorData.sparseCsr({
      values: positiveZero(values),
      shape: [rows.length, 5],
      crowIndices: rows.reduce<number[]>((crow, row) => [...crow, crow.at(-1)! + row.length], [0]),
      colIndices: rows.flat(),
    }),
  );
const datum = (floats: fc.Arbitrary<Float32Array>): fc.Arbitrary<protocol.Datum> =>
  object({ modelInput: trainingInput, lossFnInputs: record(fc.oneof(denseTensor(floats), sparseTensor)) });
const lossFn = fc.constantFrom<protocol.LossFnType>("cross_entropy", "importance_sampling", "ppo", "cispo", "dro");
const config = record(number).filter((map) => Object.keys(map).length > 0);

const request = (floats: fc.Arbitrary<Float32Array>): fc.Arbitrary<protocol.ForwardBackwardRequest> =>
  object(
    { modelId: text, seqId: count, data: list(datum(floats)), lossFn, forwardOnly: flag },
    { lossFnConfig: config },
  );
/** The protobuf form names the type after the last colon, and batches have no empty trailing dimension. */
const outputType = text.filter((name) => name !== "" && !name.includes(":"));
const output = (
  floats: fc.Arbitrary<Float32Array>,
  metric: fc.Arbitrary<number>,
): fc.Arbitrary<protocol.ForwardBackwardOutput> =>
  object({
    lossFnOutputType: outputType,
    lossFnOutputs: list(
      record(denseTensor(floats).filter(({ shape }) => shape.slice(1).every((length) => length > 0))),
    ),
    metrics: record(metric),
  });

const sequence = (floats: (length: number) => fc.Arbitrary<Float32Array>): fc.Arbitrary<protocol.SampledSequence> =>
  fc
    .record({ tokens: fc.int32Array({ minLength: 1, maxLength: 5 }), withLogprobs: flag })
    .chain(({ tokens: ids, withLogprobs }) =>
      object({
        tokens: fc.constant(ids),
        stopReason: fc.constantFrom<protocol.StopReason>("stop", "length"),
        ...(withLogprobs && { logprobs: floats(ids.length) }),
      }),
    );
const floatsOf = (length: number): fc.Arbitrary<Float32Array> =>
  fc.float32Array({ minLength: length, maxLength: length });
const finiteFloatsOf = (length: number): fc.Arbitrary<Float32Array> =>
  fc.float32Array({ ...float32, minLength: length, maxLength: length }).map(positiveZero);
const logprob = fc.float({ max: -1, min: -1000, noNaN: true });
/** Rows as lists, at least one of them full, so that the list form keeps k. */
const topk = fc.integer({ min: 1, max: 3 }).chain((k) =>
  fc
    .array(fc.option(fc.array(fc.tuple(fc.integer({ min: 1, max: 99 }), logprob), { minLength: 1, maxLength: k })), {
      maxLength: 3,
    })
    .map((rows) => protocol.TopkPromptLogprobs.fromList([...rows, Array.from({ length: k }, () => [1, -1] as const)])),
);
const sampleResponse = (
  floats: (length: number) => fc.Arbitrary<Float32Array>,
): fc.Arbitrary<protocol.SampleResponse> =>
  object(
    { sequences: list(sequence(floats)), promptCacheHitTokens: count },
    {
      promptLogprobs: fc.float32Array({ ...float32, noNaN: false, minLength: 1 }).map(positiveZero),
      topkPromptLogprobs: topk,
    },
  );

/** Messages with a protobuf form. Floats may be anything. */
export const protobufMessages: {
  readonly [K in "request" | "output" | "sample"]: fc.Arbitrary<unknown>;
} & {
  readonly request: fc.Arbitrary<protocol.ForwardBackwardRequest>;
  readonly output: fc.Arbitrary<protocol.ForwardBackwardOutput>;
  readonly sample: fc.Arbitrary<protocol.SampleResponse>;
} = {
  request: request(anyFloats),
  output: output(anyFloats, fc.double()),
  sample: sampleResponse(floatsOf),
};

const checkpoint = object(
  {
    checkpointId: text,
    checkpointType: fc.constantFrom<protocol.CheckpointType>("training", "sampler"),
    time: date,
    tinkerPath: text,
    public: flag,
  },
  { sizeBytes: count, expiresAt: date },
);
const cursor = object({ offset: integer, limit: integer, totalCount: integer });
const trainingRun = object(
  {
    trainingRunId: text,
    baseModel: text,
    modelOwner: text,
    isLora: flag,
    lastRequestTime: date,
    corrupted: flag,
  },
  { loraRank: integer, lastCheckpoint: checkpoint, lastSamplerCheckpoint: checkpoint, userMetadata: record(text) },
);
const event = {
  eventId: text,
  eventSessionIndex: count,
  severity: fc.constantFrom<protocol.Severity>("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"),
  timestamp: date,
};
const billing = fc.oneof(
  object({ type: fc.constant("training" as const), tokenCount: integer }),
  object({ type: fc.constant("sampling_prefill" as const), cached: flag, tokenCount: integer }),
  object({ type: fc.constant("sampling_sample" as const), tokenCount: integer }),
  object({ type: fc.constant("checkpoint" as const), count: integer }),
  object({ type: fc.constant("storage" as const), gigabyteHours: number }),
);

const pair = <T>(codec: protocol.JsonCodec<T>, messages: fc.Arbitrary<T>) =>
  ({ codec: codec as protocol.JsonCodec<unknown>, messages }) as const;

/** Every JSON codec with the messages it must carry. */
export const jsonMessages: readonly {
  readonly codec: protocol.JsonCodec<unknown>;
  readonly messages: fc.Arbitrary<unknown>;
}[] = [
  pair(protocol.AssignSessionProjectRequest, object({ projectId: text })),
  pair(
    protocol.AuditLogResponse,
    object({
      entries: list(object({ timestamp: date, event: text }, { modelId: text, tinkerPath: text, purpose: text })),
    }),
  ),
  pair(protocol.AuthTokenRequest, fc.constant({})),
  pair(protocol.AuthTokenResponse, object({ jwt: text })),
  pair(
    protocol.BillingUsageResponse,
    object({
      data: list(
        object(
          { bucketStart: date, bucketEnd: date, eventInfo: billing },
          { baseModel: text, userId: text, userName: text, sessionId: text, projectId: text },
        ),
      ),
      sessions: record(object({}, { userMetadata: record(text) })),
    }),
  ),
  pair(protocol.CheckpointArchiveUrlResponse, object({ url: text, expires: date })),
  pair(protocol.CheckpointsListResponse, object({ checkpoints: list(checkpoint) }, { cursor })),
  pair(protocol.ClientConfigRequest, object({ sdkVersion: text })),
  pair(
    protocol.ClientConfigResponse,
    object({
      pjwtAuthEnabled: flag,
      credentialDefaultSource: text,
      sampleDispatchBytesSemaphoreSize: integer,
      inflightResponseBytesSemaphoreSize: integer,
      parallelFwdbwdChunks: flag,
      protoCompressFwdbwd: flag,
      fwdbwdMaxChunkLen: integer,
      fwdbwdMaxChunkBytesCount: integer,
      fwdbwdDispatchBytesSemaphoreSize: integer,
      billingExceptionMaxPauseDurationSec: integer,
      sampleNoRetries: flag,
      sampleEnableStuckDetection: flag,
      sampleMaxConcurrentRequests: integer,
      usePyqwestTransport: flag,
      createModelViaLoadWeights: flag,
    }),
  ),
  pair(protocol.ClientDynamicConfigResponse, object({ refreshIntervalSec: integer })),
  pair(
    protocol.CreateModelRequest,
    object(
      {
        sessionId: text,
        modelSeqId: count,
        baseModel: text,
        loraConfig: object({ rank: count, trainUnembed: flag, trainMlp: flag, trainAttn: flag }, { seed: int64 }),
      },
      { userMetadata: metadata },
    ),
  ),
  pair(protocol.CreateModelResponse, object({ modelId: text })),
  pair(
    protocol.CreateSamplingSessionRequest,
    object({ sessionId: text, samplingSessionSeqId: count }, { baseModel: text, modelPath: text }),
  ),
  pair(protocol.CreateSamplingSessionResponse, object({ samplingSessionId: text })),
  pair(
    protocol.CreateSessionRequest,
    object({ tags: list(text), userMetadata: metadata, sdkVersion: text }, { projectId: text }),
  ),
  pair(
    protocol.CreateSessionResponse,
    object({ sessionId: text }, { infoMessage: text, warningMessage: text, errorMessage: text }),
  ),
  pair(protocol.ForwardBackwardOutput, output(finiteFloats, number)),
  pair(protocol.ForwardBackwardRequest, request(finiteFloats)),
  pair(protocol.FutureRetrieveRequest, object({ requestId: text, allowMetadataOnly: flag })),
  pair(protocol.GetInfoRequest, object({ modelId: text })),
  pair(
    protocol.GetInfoResponse,
    object(
      {
        modelData: object({}, { arch: text, modelName: text, tokenizerId: text.filter((id) => !id.includes(":")) }),
        modelId: text,
      },
      { isLora: flag, loraRank: integer, modelName: text },
    ),
  ),
  pair(protocol.GetSamplerResponse, object({ samplerId: text, baseModel: text }, { modelPath: text })),
  pair(
    protocol.GetServerCapabilitiesResponse,
    object({ supportedModels: list(object({}, { modelName: text, maxContextLength: count })) }),
  ),
  pair(protocol.GetSessionResponse, object({ trainingRunIds: list(text), samplerIds: list(text) })),
  pair(protocol.HealthResponse, object({ status: fc.constant("ok" as const) })),
  pair(protocol.ListSessionsResponse, object({ sessions: list(text) })),
  pair(
    protocol.LoadWeightsRequest,
    fc.oneof(
      object({ modelId: text, seqId: count, path: text, optimizer: flag }, { weightsAccessToken: text }),
      object(
        { sessionId: text, modelSeqId: count, path: text, optimizer: flag },
        { baseModel: text, userMetadata: metadata, weightsAccessToken: text },
      ),
    ),
  ),
  pair(protocol.LoadWeightsResponse, object({}, { path: text, modelId: text })),
  pair(
    protocol.OptimStepRequest,
    object({
      adamParams: object({
        learningRate: number,
        beta1: number,
        beta2: number,
        eps: number,
        weightDecay: number,
        gradClipNorm: number,
      }),
      modelId: text,
      seqId: count,
    }),
  ),
  pair(protocol.OptimStepResponse, object({}, { metrics: record(number) })),
  pair(
    protocol.RetrieveFutureReply,
    fc.oneof(
      object(
        { kind: fc.constant("tryAgain" as const) },
        {
          queueState: fc.constantFrom<protocol.QueueState>("active", "paused_rate_limit", "paused_capacity", "unknown"),
          queueStateReason: text,
        },
      ),
      object({ kind: fc.constant("metadata" as const), responsePayloadSize: count }),
      object({
        kind: fc.constant("error" as const),
        message: text,
        category: fc.constantFrom<protocol.RequestErrorCategory>("unknown", "server", "user"),
      }),
      object({
        kind: fc.constant("result" as const),
        json: object({ path: text, metrics: record(fc.integer()) }),
      }),
    ),
  ),
  pair(
    protocol.SampleRequest,
    object(
      {
        numSamples: count,
        prompt,
        samplingParams: object(
          { temperature: number, topK: integer, topP: number },
          { maxTokens: count, seed: int64, stop: fc.oneof(text, list(text), list(integer)) },
        ),
        promptLogprobs: flag,
        topkPromptLogprobs: count,
      },
      { baseModel: text, modelPath: text, samplingSessionId: text, seqId: int64 },
    ),
  ),
  pair(protocol.SampleResponse, sampleResponse(finiteFloatsOf)),
  pair(
    protocol.SaveWeightsForSamplerRequest,
    object({ modelId: text, seqId: count }, { path: text, samplingSessionSeqId: count, ttlSeconds: integer }),
  ),
  pair(protocol.SaveWeightsForSamplerResponse, object({}, { path: text, samplingSessionId: text })),
  pair(
    protocol.SaveWeightsRequest,
    object({ modelId: text, path: text, seqId: count, overwrite: flag }, { ttlSeconds: integer }),
  ),
  pair(protocol.SaveWeightsResponse, object({ path: text })),
  pair(protocol.SessionHeartbeatRequest, object({ sessionId: text })),
  pair(protocol.SessionHeartbeatResponse, fc.constant({})),
  pair(protocol.SetCheckpointTtlRequest, object({ ttlSeconds: fc.option(integer) })),
  pair(protocol.TelemetryResponse, object({ status: fc.constant("accepted" as const) })),
  pair(
    protocol.TelemetrySendRequest,
    object({
      events: list(
        fc.oneof(
          object({ event: fc.constant("SESSION_START" as const), ...event }),
          object({ event: fc.constant("SESSION_END" as const), ...event, duration: text }),
          object(
            { event: fc.constant("UNHANDLED_EXCEPTION" as const), ...event, errorType: text, errorMessage: text },
            { traceback: text },
          ),
          object({ event: fc.constant("GENERIC_EVENT" as const), ...event, eventName: text, eventData: metadata }),
        ),
      ),
      platform: text,
      sdkVersion: text,
      sessionId: text,
      processUuid: text,
    }),
  ),
  pair(
    protocol.TraceExportResponse,
    object(
      { status: fc.constantFrom("pending" as const, "ready" as const, "failed" as const) },
      { url: text, error: text },
    ),
  ),
  pair(protocol.TrainingRun, trainingRun),
  pair(protocol.TrainingRunsResponse, object({ trainingRuns: list(trainingRun), cursor })),
  pair(protocol.UnloadModelRequest, object({ modelId: text })),
  pair(protocol.UnloadModelResponse, object({ modelId: text })),
  pair(protocol.UntypedAPIFuture, object({ requestId: text }, { modelId: text })),
  pair(protocol.WeightsInfoRequest, object({ tinkerPath: text })),
  pair(
    protocol.WeightsInfoResponse,
    object(
      { baseModel: text, isLora: flag },
      { loraRank: integer, trainUnembed: flag, trainMlp: flag, trainAttn: flag },
    ),
  ),
];
