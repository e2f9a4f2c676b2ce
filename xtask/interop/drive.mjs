// Drives an MCP server with the official TypeScript client: `node drive.mjs PLAN.json CMD ARGS…` over stdio, or
// `node drive.mjs PLAN.json URL` over streamable HTTP.
// Writes one JSON line for each step of the plan and for each thing the server asked or told on its own (`from: "server"`),
// with what differs from run to run (times, random ids) replaced, so that two runs can be compared.
import { readFileSync } from "node:fs";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CallToolResultSchema,
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  PromptListChangedNotificationSchema,
  ResourceListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from "@modelcontextprotocol/sdk/types.js";

const STEP_LIMIT_MS = 20_000;
const [planFile, command, ...args] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(planFile, "utf8"));

const CHANGING = [
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?/g, "(time)"],
  [/\b\d{1,2}:\d\d:\d\d( [AP]M)?\b/g, "(time)"],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, "(uuid)"],
];

function stable(value) {
  if (typeof value === "string") return CHANGING.reduce((text, [pattern, word]) => text.replace(pattern, word), value);
  if (Array.isArray(value)) return value.map(stable);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.blob === "string") value = { ...value, blob: Buffer.from(value.blob, "base64").toString("latin1") };
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, stable(value[key])]),
  );
}

const write = (line) => process.stdout.write(JSON.stringify(line) + "\n");
const fromServer = (name, value) => write({ from: "server", name, value: stable(value) });

const client = new Client(
  { name: plan.client.name, version: plan.client.version },
  { capabilities: { sampling: {}, elicitation: {}, roots: { listChanged: true } } },
);
client.setRequestHandler(CreateMessageRequestSchema, ({ params }) => {
  fromServer("sampling/createMessage", params);
  return { role: "assistant", model: "none", content: { type: "text", text: "Sampled: naïve ☃" } };
});
client.setRequestHandler(ElicitRequestSchema, ({ params }) => {
  fromServer("elicitation/create", params);
  return { action: "accept", content: { name: "Ada", check: true } };
});
client.setRequestHandler(ListRootsRequestSchema, () => {
  fromServer("roots/list", {});
  return { roots: [{ uri: "file:///srv/project", name: "project" }] };
});
for (const schema of [
  LoggingMessageNotificationSchema,
  ToolListChangedNotificationSchema,
  PromptListChangedNotificationSchema,
  ResourceListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
]) {
  client.setNotificationHandler(schema, ({ method, params }) => fromServer(method, params ?? {}));
}

const STEPS = {
  list: ({ list, cursor }) =>
    ({
      tools: () => client.listTools(cursor === undefined ? undefined : { cursor }),
      resources: () => client.listResources(),
      templates: () => client.listResourceTemplates(),
      prompts: () => client.listPrompts(),
    })[list](),
  call: ({ call, arguments: given }, options) =>
    client.callTool({ name: call, arguments: given }, CallToolResultSchema, {
      ...options,
      onprogress: (progress) => fromServer("notifications/progress", progress),
    }),
  // A call given up at its first sign of progress: the client sends notifications/cancelled.
  cancel: ({ cancel, arguments: given }) => {
    const giveUp = new AbortController();
    return client.callTool({ name: cancel, arguments: given }, CallToolResultSchema, {
      signal: giveUp.signal,
      onprogress: () => giveUp.abort("no longer needed"),
    });
  },
  read: ({ read }) => client.readResource({ uri: read }),
  prompt: ({ prompt, arguments: given }) => client.getPrompt({ name: prompt, arguments: given }),
  complete: ({ complete }) => client.complete(complete),
  subscribe: ({ subscribe }) => client.subscribeResource({ uri: subscribe }),
  unsubscribe: ({ unsubscribe }) => client.unsubscribeResource({ uri: unsubscribe }),
  level: ({ level }) => client.setLoggingLevel(level),
  ping: () => client.ping(),
  together: ({ together }) => Promise.all(together.map(outcome)),
};

async function outcome(step) {
  const kind = Object.keys(STEPS).find((name) => name in step);
  try {
    return { result: stable(await STEPS[kind](step, { timeout: STEP_LIMIT_MS })) };
  } catch (failure) {
    return { failure: stable({ code: failure.code ?? null, message: String(failure.message), data: failure.data ?? null }) };
  }
}

const transport = command.startsWith("http://")
  ? new StreamableHTTPClientTransport(new URL(command))
  : new StdioClientTransport({ command, args, env: process.env, stderr: "inherit" });
await client.connect(transport);
write({ step: "connected", result: stable({ server: client.getServerVersion(), capabilities: client.getServerCapabilities() }) });
for (const step of plan.steps) write({ step, ...(await outcome(step)) });
const closing = performance.now();
await client.close();
write({ closed_ms: Math.round(performance.now() - closing) });
