import type { Datum } from "./datum.ts";
import type { ModelInput, ModelInputChunk } from "./model-input.ts";
import type { TensorData } from "./tensor-data.ts";

function chunkBytes(chunk: ModelInputChunk, perToken: number): number {
  switch (chunk.type) {
    case "encoded_text":
      return perToken * chunk.tokens.length;
    case "image":
      return chunk.data.byteLength;
    case "dmel":
      return chunk.dmel.byteLength;
    case "image_asset_pointer":
      return chunk.location.length;
  }
}

const inputBytes = (input: ModelInput, perToken: number): number =>
  input.chunks.reduce((sum, chunk) => sum + chunkBytes(chunk, perToken), 0);

function tensorBytes({ dtype, data, sparse }: TensorData): number {
  const indices = sparse === undefined ? 0 : sparse.crowIndices.length + sparse.colIndices.length;
  return data.length * (dtype === "int64" ? 8 : 4) + indices * 8;
}

/** About how large a datum is in a forward/backward body, in bytes: 4 per token, files and tensors as they are. */
export const estimateDatumBytes = ({ modelInput, lossFnInputs }: Datum): number =>
  inputBytes(modelInput, 4) + Object.values(lossFnInputs).reduce((sum, tensor) => sum + tensorBytes(tensor), 0);

/** About how large a prompt is in the JSON of a sample request, in bytes: 10 per token, files as they are. */
export const estimatePromptBytes = (prompt: ModelInput): number => inputBytes(prompt, 10);

/** Limits of {@link chunkData}; the service gives them in its client config. */
export interface ChunkLimits {
  /** Most datums in a chunk. */
  readonly maxLength: number;
  /** Most bytes in a chunk, by {@link estimateDatumBytes}. */
  readonly maxBytes: number;
}

/**
 * Splits data into the chunks that are sent one request each, in order, filling each as far as the limits allow. No chunk
 * is empty: a datum over the limit on its own gets its own chunk. No data gives no chunks.
 */
export function chunkData(data: readonly Datum[], { maxLength, maxBytes }: ChunkLimits): Datum[][] {
  const chunks: Datum[][] = [];
  let chunk: Datum[] = [];
  let bytes = 0;
  for (const datum of data) {
    const size = estimateDatumBytes(datum);
    if (chunk.length > 0 && (bytes + size > maxBytes || chunk.length >= maxLength)) {
      chunks.push(chunk);
      chunk = [];
      bytes = 0;
    }
    chunk.push(datum);
    bytes += size;
  }
  return chunk.length > 0 ? [...chunks, chunk] : chunks;
}
