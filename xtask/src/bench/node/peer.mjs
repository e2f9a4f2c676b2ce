// The peer's own way from a tool call to Sentry: a tracked MCP server and its client in one process, joined in memory, so
// that nothing but the tracking and its export is measured. Prints one line of JSON.
// Arguments: DSN, the sink's address, how many calls, and `untracked`, `logs` or `tracing`.
import http from "node:http";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { track } from "agentcat";
import { z } from "zod";

const [dsn, sink, count, mode] = process.argv.slice(2);
const calls = Number(count);

const agent = new http.Agent({ keepAlive: true });
const logsAtSink = () =>
  new Promise((resolve, reject) => {
    http
      .get(`http://${sink}/stats`, { agent }, (response) => {
        let body = "";
        response.on("data", (chunk) => (body += chunk));
        response.on("end", () => resolve(JSON.parse(body).logs));
      })
      .on("error", reject);
  });

const server = new McpServer({ name: "bench-server", version: "1.0.0" });
const inputSchema = { query: z.string(), limit: z.number() };
server.registerTool("search_orders", { description: "Finds orders.", inputSchema }, async ({ query }) => ({
  content: [{ type: "text", text: query }],
}));
if (mode !== "untracked") {
  track(server, null, {
    identify: async () => ({ userId: "user-4711", userName: "Ada Lovelace", userData: { plan: "team" } }),
    exporters: {
      sentry: { type: "sentry", dsn, environment: "production", release: "bench@1.0.0", enableTracing: mode === "tracing" },
    },
  });
}
const [near, far] = InMemoryTransport.createLinkedPair();
const client = new Client({ name: "bench-client", version: "1.0.0" });
await Promise.all([server.connect(far), client.connect(near)]);

const call = () =>
  client.callTool({
    name: "search_orders",
    arguments: {
      query: "Orders of the last seven days that were paid but not shipped",
      limit: 25,
      context: "The user wants to know which paid orders are still waiting to be shipped",
    },
  });
// Waits until no more logs arrive; how many there are, and the time and CPU time when the last one was seen.
const settled = async () => {
  const look = async () => ({ logs: await logsAtSink(), time: performance.now(), cpu: process.cpuUsage() });
  let last = await look();
  for (let now = last; now.time - last.time < 1000; now = await look()) {
    if (now.logs !== last.logs) last = now;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return last;
};

for (let i = 0; i < 200; i++) await call();
const before = await settled();
const [cpu, start] = [process.cpuUsage(), performance.now()];
for (let i = 0; i < calls; i++) await call();
const called = { logs: before.logs + calls, time: performance.now(), cpu: process.cpuUsage() };
const after = mode === "untracked" ? called : await settled();
console.log(
  JSON.stringify({
    wall: (after.time - start) / 1000,
    cpu: (after.cpu.user + after.cpu.system - cpu.user - cpu.system) / 1e6,
    peak: process.resourceUsage().maxRSS / 1024,
    events: after.logs - before.logs,
  }),
);
process.exit(0);
