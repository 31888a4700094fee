import { ProtocolError } from "@tinkex/protocol";

/** Runs `action`, which must throw a ProtocolError, and returns it. */
export function thrownBy(action: () => unknown): ProtocolError {
  try {
    action();
  } catch (error) {
    if (ProtocolError.isInstance(error)) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
