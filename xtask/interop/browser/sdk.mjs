// What a Node application sends with Sentry's own SDK: an error, a log, a trace with AI and MCP spans.
// node sdk.mjs DSN
import * as Sentry from "@sentry/node";

Sentry.init({ dsn: process.argv[2], tracesSampleRate: 1, enableLogs: true, environment: "interop", release: "sdk@1.0.0" });
await Sentry.startSpan({ name: "node agent", op: "gen_ai.invoke_agent", attributes: { "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "node-agent" } }, async () => {
  Sentry.startSpan({ name: "chat gpt-4o", op: "gen_ai.chat", attributes: { "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 100, "gen_ai.input.messages": JSON.stringify([{ role: "user", content: "asked by node" }]) } }, () => {});
  Sentry.startSpan({ name: "tools/call node_tool", op: "mcp.server", attributes: { "mcp.method.name": "tools/call", "mcp.tool.name": "node_tool", "mcp.session.id": "node-session" } }, () => {});
  Sentry.logger.info("a log by node", { part: 1 });
  Sentry.captureException(new TypeError("an error by node"));
});
const flushed = await Sentry.flush(10_000);
process.exit(flushed ? 0 : 1);
