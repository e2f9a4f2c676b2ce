// Fills a receiver with a day of traffic as real senders would have sent it: MCP sessions, agents' runs, errors, logs.
// node scene.mjs http://127.0.0.1:PORT [hostile]: with `hostile`, what a malicious tool might answer, too.
import { createHash } from "node:crypto";

const [base, mode] = process.argv.slice(2);
const now = Date.now() / 1000;

// A generator of its own, so that every run sends the same.
let seed = 20251121;
const random = () => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32);
const pick = (list) => list[Math.floor(random() * list.length)];
const hex = (text, length) => createHash("sha256").update(text).digest("hex").slice(0, length);
const duration = (median) => median * Math.exp((random() + random() + random() - 1.5) * 0.9);
const typed = (values) => Object.fromEntries(Object.entries(values).map(([key, value]) => [key, {
  value, type: typeof value === "number" ? (Number.isInteger(value) ? "integer" : "double") : typeof value,
}]));

async function send(items, { id, sdk = ["watchpost.rust", "0.1.0"] } = {}) {
  const lines = [JSON.stringify({ ...(id && { event_id: id }), sdk: { name: sdk[0], version: sdk[1] } })];
  for (const [type, payload] of items) {
    const text = typeof payload === "string" ? payload : JSON.stringify(payload);
    lines.push(JSON.stringify({ type, length: Buffer.byteLength(text) }), text);
  }
  const response = await fetch(`${base}/api/1/envelope/`, { method: "POST", body: lines.join("\n") });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
}

const SERVERS = [
  ["github", "1.4.0", [["search_issues", 420], ["create_pull_request", 900], ["get_file", 160], ["list_commits", 260]]],
  ["postgres", "0.9.2", [["query", 45], ["explain", 70], ["list_tables", 12]]],
  ["filesystem", "2025.8.21", [["read_file", 4], ["write_file", 7], ["search_files", 60]]],
];
const CLIENTS = [["Claude Code", "2.0.31"], ["Cursor", "1.7.44"], ["VS Code", "1.105.1"]];
const PEOPLE = [["u_17", "Ada Lovelace"], ["u_23", "Grace Hopper"], ["u_31", "Katherine Johnson"]];
const INTENTS = ["Find out why the nightly build is red", "Move the customer table to the new schema", "Review the open pull requests"];
const ERRORS = {
  search_issues: "API rate limit exceeded; retry after 41 s", query: 'relation "customers_v2" does not exist',
  write_file: "EACCES: permission denied, open '/etc/hosts'", create_pull_request: "Head branch has no commits ahead of main",
};

async function mcpSession(number, started) {
  const [server, version, tools] = pick(SERVERS);
  const [client, clientVersion] = pick(CLIENTS);
  const [actor, name] = pick(PEOPLE);
  const session = `ses_${hex(`session ${number}`, 20)}`;
  const trace = hex(session, 32);
  let at = started;
  const calls = [["initialize", null, 6], ["tools/list", null, 3]];
  for (let i = 0; i < 4 + Math.floor(random() * 12); i++) calls.push(["tools/call", ...pick(tools)]);
  for (const [method, tool, median] of calls) {
    const took = duration(median) / 1000;
    at += took + random() * 20;
    const event = `${session} ${at}`;
    const span = hex(event, 16);
    const failed = tool in ERRORS && random() < 0.16;
    const facts = { event_type: method, server_name: server, client_name: client, actor_id: actor };
    const intent = tool && random() < 0.4 ? pick(INTENTS) : undefined;
    const extra = { session_id: session, project_id: "proj_demo", duration_ms: took * 1000, actor_name: name, client_version: clientVersion, server_version: version, ...(intent && { user_intent: intent }) };
    const items = [["log", { items: [{
      timestamp: at, trace_id: trace, level: failed ? "error" : "info", body: `MCP ${method}${tool ? `: ${tool}` : ""}`, span_id: span,
      attributes: typed({ ...facts, ...extra, ...(tool && { resource_name: tool }), is_error: failed, ...(failed && { error_message: ERRORS[tool] }) }),
    }] }]];
    const id = span + hex(`${event}:transaction`, 16);
    const child = hex(`${event}:span`, 16);
    await send(items);
    await send([["transaction", {
      event_id: id, platform: "other", type: "transaction", timestamp: at, start_timestamp: at - took, transaction: tool ? `${method} - ${tool}` : method,
      contexts: { trace: { trace_id: trace, span_id: span, op: method, status: failed ? "internal_error" : "ok", origin: "auto.ai.mcp_server" } },
      tags: { ...facts, ...(tool && { resource: tool }), environment: "production" }, extra,
      spans: [{ trace_id: trace, span_id: child, parent_span_id: span, op: "mcp.server", description: tool ? `${method} ${tool}` : method, start_timestamp: at - took, timestamp: at,
        status: failed ? "internal_error" : "ok", data: { "mcp.method.name": method, "mcp.session.id": session, "network.transport": "pipe", "mcp.transport": "stdio",
          "watchpost.direction": "client_to_server", "watchpost.request.size": 80 + Math.floor(random() * 400), "watchpost.response.size": 200 + Math.floor(random() * 9000), ...(tool && { "gen_ai.tool.name": tool, "mcp.tool.name": tool }) } }],
    }]], { id });
    if (failed) {
      const error = span + hex(`${event}:error`, 16);
      await send([["event", {
        event_id: error, platform: "other", level: "error", timestamp: at, transaction: `${method} - ${tool}`, fingerprint: [server, tool],
        exception: { values: [{ type: "ToolCallError", value: ERRORS[tool], mechanism: { type: "auto.ai.mcp_server", handled: true } }] },
        contexts: { trace: { trace_id: trace, span_id: child, parent_span_id: span } }, tags: { ...facts, resource: tool, error_type: "tool_execution" }, extra,
      }]], { id: error });
    }
  }
}

const QUESTIONS = [
  ["Which customers churned in October, and why?", "Eleven customers left in October. Seven of them named the price change of September; three moved to an in-house tool; one closed. I attached the table."],
  ["Write the release notes for 2.4 from the merged pull requests.", "Release 2.4 brings faster search, a dark theme and twelve fixes. The full notes follow, grouped by area."],
  ["Is the checkout service healthy?", "Checkout is healthy. Its p95 rose from 210 ms to 260 ms at 14:05, when the new tax provider was switched on; errors stayed at 0.2 %."],
];

async function agentRun(number, started) {
  const trace = hex(`run ${number}`, 32);
  const [question, answer] = QUESTIONS[number % QUESTIONS.length];
  const agent = ["analyst", "release-writer", "on-call"][number % 3];
  const [provider, model] = pick([["openai", "gpt-4o"], ["openai", "gpt-4o-mini"], ["anthropic", "claude-sonnet-4-20250514"]]);
  const spanId = (name) => hex(`${trace} ${name}`, 16);
  const spans = [];
  const failed = random() < 0.12;
  let at = started + 0.02;
  const messages = [{ role: "system", content: "You answer questions about our product with the tools you are given. Cite your source." }, { role: "user", content: question }];
  const chat = (name, output, calls) => {
    const took = duration(1800) / 1000;
    const input = 900 + Math.floor(random() * 2600) + messages.length * 240;
    const written = 60 + Math.floor(random() * 500);
    spans.push({ trace_id: trace, span_id: spanId(name), parent_span_id: spanId("agent"), op: "gen_ai.chat", description: `chat ${model}`, start_timestamp: at, timestamp: at + took, status: "ok",
      data: { "gen_ai.operation.name": "chat", "gen_ai.system": provider, "gen_ai.provider.name": provider, "gen_ai.request.model": model, "gen_ai.response.model": model, "gen_ai.agent.name": agent,
        "gen_ai.request.messages": JSON.stringify(messages), ...(output && { "gen_ai.response.text": output }), ...(calls && { "gen_ai.response.tool_calls": JSON.stringify(calls) }),
        "gen_ai.usage.input_tokens": input, "gen_ai.usage.cache_read.input_tokens": Math.floor(input * 0.4), "gen_ai.usage.output_tokens": written, "gen_ai.usage.total_tokens": input + written,
        "gen_ai.request.temperature": 0.2, "gen_ai.response.time_to_first_chunk": took * 0.3, "gen_ai.response.finish_reasons": JSON.stringify([output ? "stop" : "tool_calls"]), "sentry.origin": "auto.ai.mastra" } });
    at += took;
  };
  for (const [turn, [tool, args, result]] of [["query_warehouse", { sql: "select name, reason from churn where month = '2025-10'" }, { rows: 11, first: { name: "Contoso", reason: "price" } }], ["search_docs", { query: "price change september", limit: 5 }, { hits: ["pricing-2025.md", "faq.md"] }]].slice(0, 1 + (number % 2)).entries()) {
    const call = { id: `call_${turn}`, type: "function", function: { name: tool, arguments: JSON.stringify(args) } };
    chat(`chat ${turn}`, null, [call]);
    const took = duration(320) / 1000;
    const id = spanId(`tool ${turn}`);
    spans.push({ trace_id: trace, span_id: id, parent_span_id: spanId("agent"), op: "gen_ai.execute_tool", description: `execute_tool ${tool}`, start_timestamp: at, timestamp: at + took, status: failed && turn === 0 ? "internal_error" : "ok",
      data: { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool, "gen_ai.agent.name": agent, "gen_ai.tool.input": JSON.stringify(args), "gen_ai.tool.output": JSON.stringify(result), "gen_ai.tool.call.id": call.id } });
    spans.push({ trace_id: trace, span_id: spanId(`db ${turn}`), parent_span_id: id, op: turn === 0 ? "db.query" : "http.client", description: turn === 0 ? "SELECT name, reason FROM churn" : "GET /v1/search", start_timestamp: at + took * 0.1, timestamp: at + took * 0.85, status: "ok", data: {} });
    messages.push({ role: "assistant", tool_calls: [call] }, { role: "tool", name: tool, content: JSON.stringify(result) });
    at += took + 0.01;
  }
  chat("answer", answer);
  const id = hex(`${trace} transaction`, 32);
  await send([["transaction", {
    event_id: id, platform: "node", type: "transaction", transaction: `invoke_agent ${agent}`, start_timestamp: started, timestamp: at + 0.02,
    contexts: { trace: { trace_id: trace, span_id: spanId("agent"), op: "gen_ai.invoke_agent", status: failed ? "internal_error" : "ok", data: { "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": agent, "gen_ai.response.text": answer, "gen_ai.conversation.id": `conv_${number}` } } },
    tags: { environment: "production" }, spans,
  }]], { id, sdk: ["sentry.javascript.node", "10.78.0"] });
  if (failed) {
    const error = hex(`${trace} error`, 32);
    await send([["event", { event_id: error, platform: "node", level: "error", timestamp: at, transaction: `invoke_agent ${agent}`, exception: { values: [{ type: "WarehouseTimeout", value: "the query took longer than 30 s and was cancelled", mechanism: { type: "generic", handled: true },
      stacktrace: { frames: [
        { function: "processTicksAndRejections", filename: "node:internal/process/task_queues", lineno: 105, in_app: false },
        { function: "runAgent", filename: "src/agent.ts", lineno: 88, in_app: true, context_line: "    const rows = await warehouse.query(args.sql, { timeout: 30_000 });" },
        { function: "Warehouse.query", filename: "src/warehouse.ts", lineno: 41, in_app: true, context_line: "      throw new WarehouseTimeout(this.timeout);" }] } }] },
      contexts: { trace: { trace_id: trace, span_id: spanId("tool 0"), parent_span_id: spanId("agent") } }, tags: { agent, tool: "query_warehouse", environment: "production" } }]], { id: error, sdk: ["sentry.javascript.node", "10.78.0"] });
  }
}

const LINES = [["info", "listening on :8080"], ["debug", "cache hit for user:17"], ["info", "order 4711 was paid"], ["warn", "retrying the payment provider (2 of 5)"], ["info", "session 9c1e ended after 14 min"], ["error", "could not send the receipt: connection reset"]];

for (let i = 0; i < 26; i++) await mcpSession(i, now - 86000 * (1 - i / 26) * (0.85 + random() * 0.15) - 300);
for (let i = 0; i < 30; i++) await agentRun(i, now - 84000 * (1 - i / 30) * (0.85 + random() * 0.15) - 60);
const items = [];
for (let i = 0; i < 60; i++) {
  const [level, body] = pick(LINES);
  items.push({ timestamp: now - 40000 * random(), trace_id: hex(`app ${i % 7}`, 32), level, body, attributes: typed({ "sentry.environment": "production", "server.address": "checkout-1" }) });
}
await send([["log", { items }]], { sdk: ["sentry.python", "2.75.0"] });
await send([["check_in", { monitor_slug: "nightly-backup", status: "ok" }], ["session", { sid: "s", status: "exited" }]], { sdk: ["sentry.python", "2.75.0"] });
await send([["client_report", { timestamp: now, discarded_events: [{ reason: "ratelimit_backoff", category: "log_item", quantity: 12 }] }]]);

if (mode === "hostile") {
  const evil = "<script>window.pwned=1</script><img src=x onerror=window.pwned=1>\u001b[31m\u001b]0;owned\u0007\u202egnp.exe\u2066 javascript:window.pwned=1";
  const trace = hex("hostile", 32);
  await send([["log", { items: [{ timestamp: now, trace_id: trace, span_id: hex("h1", 16), level: "error", body: evil, attributes: typed({ event_type: "tools/call", resource_name: evil, session_id: evil, server_name: evil, client_name: evil, actor_name: evil, user_intent: evil, error_message: evil, is_error: true }) }] }]]);
  await send([["event", { event_id: hex("h2", 32), level: evil, timestamp: now, transaction: evil, exception: { values: [{ type: evil, value: evil, stacktrace: { frames: [{ function: evil, filename: evil, context_line: evil }] } }] }, contexts: { trace: { trace_id: trace, span_id: hex("h3", 16) } }, tags: { [evil]: evil } }]], { id: hex("h2", 32), sdk: [evil, evil] });
  const long = "A".repeat(2 ** 20);
  await send([["log", { items: [{ timestamp: now, trace_id: trace, level: "warn", body: long, attributes: typed({ huge: long }) }] }]]);
  const spans = Array.from({ length: 4999 }, (_, at) => ({ trace_id: trace, span_id: hex(`s${at}`, 16), parent_span_id: hex(at < 20 ? "root" : `s${at % 200}`, 16), op: evil, description: evil, start_timestamp: now - 10 + at / 1000, timestamp: now - 9 + at / 1000, status: "ok",
    data: at === 0 ? { [evil]: evil, "gen_ai.request.messages": JSON.stringify([{ role: evil, content: evil }]), "gen_ai.tool.output": evil } : {} }));
  await send([["transaction", { event_id: hex("h4", 32), timestamp: now, start_timestamp: now - 10, transaction: evil, contexts: { trace: { trace_id: trace, span_id: hex("root", 16), op: evil, status: evil } }, spans }]], { id: hex("h4", 32) });
  await send([["span", { items: [{ trace_id: trace, span_id: hex("v2", 16), name: evil, status: "error", start_timestamp: now - 1, end_timestamp: now, attributes: typed({ "sentry.op": "gen_ai.chat", "gen_ai.request.model": evil, "gen_ai.usage.input_tokens": 9e15, "gen_ai.input.messages": evil }) }] }]]);
  // What breaks parsers: NUL, half surrogate pairs, JSON nested a hundred thousand deep, spans that are their own ancestors, times
  // that cannot be, names of item types and sessions that mean something elsewhere.
  const deep = "[".repeat(1e5) + "]".repeat(1e5);
  const odd = (at, body, attributes) => `{"timestamp":${at},"trace_id":"${trace}","level":"info","body":"${body}","attributes":${attributes}}`;
  await send([["log", `{"items":[${odd(now, "nul \\u0000 and half a pair \\ud800 end", '{"k\\udfff":{"value":"\\ud800","type":"string"}}')},${odd(1e300, "far away", "{}")}]}`]]);
  await send([["log", `{"items":[${odd(now, "deep", `{"deep":{"value":${deep},"type":"string"}}`)}]}`]]);
  const knot = hex("knot", 32);
  const tied = (own, parent, times) => ({ trace_id: knot, span_id: hex(own, 16), parent_span_id: hex(parent, 16), op: "knot", description: own, start_timestamp: now - 1, timestamp: now, ...times });
  const chain = Array.from({ length: 3000 }, (_, at) => tied(`link ${at}`, at === 0 ? "knot root" : `link ${at - 1}`));
  await send([["transaction", { event_id: hex("h5", 32), timestamp: now, start_timestamp: now - 1, transaction: "knot", contexts: { trace: { trace_id: knot, span_id: hex("knot root", 16), op: "knot" } },
    spans: [tied("first of two", "second of two"), tied("second of two", "first of two"), tied("its own parent", "its own parent"), tied("backwards", "knot root", { start_timestamp: now, timestamp: now - 100 }),
      tied("at the beginning of time", "knot root", { start_timestamp: 0, timestamp: 1 }), tied("at its end", "knot root", { start_timestamp: 1e18, timestamp: 1e19 }), tied("at no time", "knot root", { start_timestamp: "NaN", timestamp: null }), ...chain] }]], { id: hex("h5", 32) });
  await send([["__proto__", "{}"], ["constructor", "{}"], ["<script>", "x"], ["attachment", "\u0000\u0001"], ["profile", "{}"], ["replay_event", "{}"]]);
  const names = ["../../etc/passwd", "a/b?c#d%2f", "%", "..", "__proto__", "x".repeat(5000), "\u0000"];
  await send([["log", { items: names.map((name) => ({ timestamp: now, level: "info", body: "a session", attributes: typed({ event_type: "tools/call", resource_name: name, session_id: name, server_name: name, client_name: name }) })) }]]);
  // Many logs.
  for (let part = 0; part < 100; part++) {
    const line = (_, at) => ({ timestamp: now - 80000 * random(), level: ["trace", "debug", "info", "warn", "error", "fatal", "odd"][at % 7], body: `one of many ${part} ${at}`, trace_id: hex(`many ${at % 200}`, 32) });
    await send([["log", { items: Array.from({ length: 1000 }, line) }]]);
  }
  console.log(JSON.stringify({ trace, knot }));
}
