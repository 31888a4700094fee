import { BinaryReader } from "@bufbuild/protobuf/wire";

/** As much of a refused submission as tells which turn it would have had. */
export interface SequencePeek {
  readonly modelId?: string;
  readonly seqId?: bigint;
}

const modelIdField = 1;
const seqIdField = 2;

/** Reads the model and the number out of a body that need not be valid, or even whole. Never throws. */
export function peekSequence(body: Uint8Array, contentType: string): SequencePeek {
  return contentType.includes("x-protobuf") ? peekProtobuf(body) : peekJson(body);
}

function peekJson(body: Uint8Array): SequencePeek {
  try {
    const { model_id: modelId, seq_id: seqId } = JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>;
    if (typeof modelId !== "string" || !Number.isSafeInteger(seqId)) return {};
    return { modelId, seqId: BigInt(seqId as number) };
  } catch {
    return {};
  }
}

function peekProtobuf(body: Uint8Array): SequencePeek {
  let peek: SequencePeek = {};
  const reader = new BinaryReader(body);
  try {
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === modelIdField) peek = { ...peek, modelId: reader.string() };
      else if (field === seqIdField) peek = { ...peek, seqId: BigInt(reader.int32()) };
      else reader.skip(type);
    }
  } catch {
    // The body ends early or is not protobuf; both fields come first when it was.
  }
  return peek;
}
