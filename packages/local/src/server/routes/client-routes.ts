import {
  ClientConfigResponse,
  ClientDynamicConfigResponse,
  GetServerCapabilitiesResponse,
  HealthResponse,
  TelemetryResponse,
} from "@tinkex/protocol";
import type { Hono } from "hono";
import { HttpError } from "../http-error.ts";
import { jsonReply } from "../replies.ts";
import type { ServerContext } from "../server-context.ts";
import { readBody } from "../request-body.ts";

/**
 * What clients ask before and beside their work. The bodies are read and not looked at: an SDK newer than this server
 * must not fail to start, or repeat its telemetry for ever, because it says something that is not known here.
 */
export function clientRoutes(app: Hono, context: ServerContext, config: ClientConfigResponse): void {
  app.post("/api/v1/client/config", async ({ req }) => {
    await readBody(req.raw, context.limits.bodyBytes);
    return jsonReply(ClientConfigResponse.encode(config));
  });

  app.post("/api/v1/client/dynamic_config", async ({ req }) => {
    await readBody(req.raw, context.limits.bodyBytes);
    return jsonReply(ClientDynamicConfigResponse.encode({ refreshIntervalSec: 300 }));
  });

  app.post("/api/v1/auth/token", () => {
    throw new HttpError(404, "This server takes the API key itself; there is no token to exchange it for.");
  });

  app.get("/api/v1/healthz", () => jsonReply(HealthResponse.encode({ status: "ok" })));

  app.get("/api/v1/get_server_capabilities", () =>
    jsonReply(
      GetServerCapabilitiesResponse.encode({
        supportedModels: context.engine.baseModels.map(({ name, maxContextLength }) => ({
          modelName: name,
          maxContextLength,
        })),
      }),
    ),
  );

  // Without an answer the Python SDK holds every error back for 30 s.
  app.post("/api/v1/telemetry", async ({ req }) => {
    await readBody(req.raw, context.limits.bodyBytes);
    return jsonReply(TelemetryResponse.encode({ status: "accepted" }));
  });
}
