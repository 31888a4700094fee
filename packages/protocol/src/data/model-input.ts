import { Place } from "../protocol-error.ts";
import { tensorContainerDimension } from "./tensor-container.ts";
import { packInt32 } from "./tensor-data.ts";

/** Token ids. Each fits a signed 32-bit integer, which is what the wire carries. */
export interface EncodedTextChunk {
  readonly type: "encoded_text";
  readonly tokens: readonly number[] | Int32Array;
}

/** An image file, whole. */
export interface ImageChunk {
  readonly type: "image";
  /** The bytes of the file. */
  readonly data: Uint8Array;
  readonly format: "png" | "jpeg";
  /** How many tokens the caller believes the image takes; the service checks it. Without it the chunk has no length. */
  readonly expectedTokens?: number;
}

/** An image that the service already holds. Sampling only: training requests have no encoding for it. */
export interface ImageAssetPointerChunk {
  readonly type: "image_asset_pointer";
  readonly format: "png" | "jpeg";
  readonly location: string;
  /** See {@link ImageChunk.expectedTokens}. */
  readonly expectedTokens?: number;
}

/** Audio tokens: a serialised tensor container whose first dimension is the number of tokens. */
export interface DmelChunk {
  readonly type: "dmel";
  readonly dmel: Uint8Array;
}

/** One piece of a model's input, told apart by `type`. */
export type ModelInputChunk = EncodedTextChunk | ImageChunk | ImageAssetPointerChunk | DmelChunk;

/** What a model reads: pieces of text, images and audio in order. Never changed once made. */
export interface ModelInput {
  readonly chunks: readonly ModelInputChunk[];
}

const place = Place.root("ModelInput");

function chunkLength(chunk: ModelInputChunk, index: number): number {
  switch (chunk.type) {
    case "encoded_text":
      return chunk.tokens.length;
    case "image":
    case "image_asset_pointer":
      return (
        chunk.expectedTokens ??
        place.at("chunks").at(index).at("expected_tokens").failWith("given, to know the length", "none")
      );
    case "dmel":
      return tensorContainerDimension(chunk.dmel, 0);
  }
}

/** Functions on {@link ModelInput}. All of them leave their arguments as they are. */
export const ModelInput = {
  /** One text chunk with these token ids. */
  fromInts(tokens: readonly number[] | Int32Array): ModelInput {
    return { chunks: [{ type: "encoded_text", tokens }] };
  },

  /** No chunks. */
  empty(): ModelInput {
    return { chunks: [] };
  },

  /** All token ids in order. Throws `ProtocolError` when a chunk is not text or an id does not fit 32 bits. */
  toInts(input: ModelInput): Int32Array {
    const parts = input.chunks.map((chunk, index) =>
      chunk.type === "encoded_text"
        ? packInt32(chunk.tokens, place.at("chunks").at(index).at("tokens"))
        : place.at("chunks").at(index).at("type").failWith('"encoded_text", to read token ids', `"${chunk.type}"`),
    );
    const tokens = new Int32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      tokens.set(part, at);
      at += part.length;
    }
    return tokens;
  },

  /**
   * Length in tokens. Throws `ProtocolError` for an image without `expectedTokens` and for a dmel chunk whose header
   * cannot be read.
   */
  length(input: ModelInput): number {
    return input.chunks.reduce((sum, chunk, index) => sum + chunkLength(chunk, index), 0);
  },

  /** A new input with `chunk` at the end. */
  append(input: ModelInput, chunk: ModelInputChunk): ModelInput {
    return { chunks: [...input.chunks, chunk] };
  },

  /** A new input with one more text chunk of one token. Chunks are never merged. */
  appendInt(input: ModelInput, token: number): ModelInput {
    return ModelInput.append(input, { type: "encoded_text", tokens: [token] });
  },
};
