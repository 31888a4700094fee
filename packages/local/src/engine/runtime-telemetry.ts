/**
 * Keeps ONNX Runtime from reporting to its maker. From 1.29 on its Linux and macOS builds send events about sessions,
 * models and errors, under an identifier that they keep in the user's home; what runs in the user's own process sends
 * nothing anywhere. To be called before the first session, because the runtime looks once; a variable that is set already
 * is left alone.
 *
 * The runtime reads the environment of the process. Node hands worker threads a copy of it, so where a server is started
 * in one, whoever starts the process must set the variable.
 */
export function silenceRuntimeTelemetry(): void {
  process.env["ORT_DISABLE_TELEMETRY"] ??= "1";
}
