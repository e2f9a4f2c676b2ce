// A Mastra application with a model that answers from a script: no network but the Sentry in the DSN, the same spans each time.
// Arguments: the file for its tracing events as JSON lines, and a DSN for Mastra's own exporter. Both see every event of the run.
import { Agent } from "@mastra/core/agent";
import { Mastra } from "@mastra/core/mastra";
import { createTool } from "@mastra/core/tools";
import { createStep, createWorkflow } from "@mastra/core/workflows";
import { Observability } from "@mastra/observability";
import { SentryExporter } from "@mastra/sentry";
import { z } from "zod";

import { JsonLinesExporter } from "./json_lines.mjs";
import { answer, call, fail, scripted } from "./model.mjs";

const [file, dsn] = process.argv.slice(2);

const calculate = createTool({
  id: "calculate",
  description: "Adds numbers",
  inputSchema: z.object({ numbers: z.array(z.number()) }),
  outputSchema: z.object({ sum: z.number() }),
  execute: async ({ numbers }) => ({ sum: numbers.reduce((a, b) => a + b, 0) }),
});
const lookUp = createTool({
  id: "look_up",
  description: "Looks an order up, or says why it can't",
  inputSchema: z.object({ order: z.string() }),
  execute: async ({ order }) => {
    throw new TypeError(`no order ${order}: ünïcode 💥`);
  },
});
const weather = createTool({
  id: "weather",
  description: "The weather of a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => ({ city, celsius: 21 }),
});

const agent = (id, name, instructions, model, rest = {}) => new Agent({ id, name, instructions, model, ...rest });

// Two tools, one of which fails; three steps, the first with reasoning.
const support = agent(
  "support",
  "Support",
  "Answer questions about orders.",
  scripted("order-model", [
    answer("Let me see.", { reasoning: "Add first.", calls: [call("call_add", "calculate", { numbers: [1, 2, 3] })] }),
    answer("", { calls: [call("call_find", "look_up", { order: "A-17" })] }),
    answer("The sum is 6; order A-17 is unknown."),
  ]),
  { tools: { calculate, look_up: lookUp } },
);
// Delegates to an agent of its own, which uses a tool.
const guide = agent(
  "guide",
  "Guide",
  "Know the weather.",
  scripted("guide-model", [answer("", { calls: [call("call_sky", "weather", { city: "Linz" })] }), answer("Sunny, 21 °C.")]),
  { description: "Knows the weather", tools: { weather } },
);
const travel = agent(
  "travel",
  "Travel",
  "Plan a trip; ask the guide.",
  scripted("travel-model", [answer("", { calls: [call("call_guide", "agent-guide", { prompt: "Weather in Linz?" })] }), answer("Go to Linz.")]),
  { agents: { guide } },
);
// Its input goes through a processor.
const trim = { id: "trim", processInput: async ({ messages }) => messages };
const clerk = agent("clerk", "Clerk", "Count.", scripted("clerk-model", [answer("Four.")]), { inputProcessors: [trim] });
// Its model fails.
const broken = agent("broken", "Broken", "Fail.", scripted("broken-model", [fail("the model is overloaded")]));

const shape = z.object({ text: z.string() });
const step = (id, execute) => createStep({ id, inputSchema: shape, outputSchema: shape, execute });
const ask = step("ask", async ({ inputData, mastra, tracingContext }) => {
  const said = await mastra.getAgent("clerk").generate(inputData.text, { tracingContext });
  return { text: said.text };
});
const left = step("left", async ({ inputData }) => inputData);
const right = step("right", async ({ inputData }) => inputData);
const join = createStep({
  id: "join",
  inputSchema: z.object({ left: shape, right: shape }),
  outputSchema: shape,
  execute: async ({ inputData }) => inputData.left,
});
const order = createWorkflow({ id: "order", inputSchema: shape, outputSchema: shape })
  .then(ask)
  .parallel([left, right])
  .then(join)
  .branch([
    [async () => true, step("yes", async ({ inputData }) => inputData)],
    [async () => false, step("no", async ({ inputData }) => inputData)],
  ])
  .map(async ({ inputData }) => inputData.yes)
  .sleep(5)
  .dountil(step("again", async ({ inputData }) => ({ text: `${inputData.text}!` })), async ({ inputData }) => inputData.text.endsWith("!!"))
  .commit();
const refund = createWorkflow({ id: "refund", inputSchema: shape, outputSchema: shape })
  .then(
    step("pay", async () => {
      throw new RangeError("refund of 17 € refused");
    }),
  )
  .commit();

const events = new JsonLinesExporter(file);
const exporters = [events];
if (dsn) exporters.push(new SentryExporter({ dsn, environment: "interop", release: "shop@1.2.3", options: { streamGenAiSpans: false } }));
const mastra = new Mastra({
  agents: { support, guide, travel, clerk, broken },
  workflows: { order, refund },
  observability: new Observability({ configs: { interop: { serviceName: "shop", exporters } } }),
  logger: false,
});

const consume = async (stream) => {
  for await (const _ of stream.fullStream);
};
const run = async (id, text) => (await mastra.getWorkflow(id).createRun()).start({ inputData: { text } });

await consume(
  await mastra.getAgent("support").stream("Add 1, 2 and 3, and find order A-17.", {
    modelSettings: { temperature: 0.2, maxOutputTokens: 256 },
    maxSteps: 4,
    tracingOptions: { metadata: { tenant: "acme", attempt: 2 }, tags: ["eu", "beta"] },
  }),
);
await mastra.getAgent("travel").generate("Where to?");
await run("order", "2 + 2?");
await run("refund", "17");
await mastra
  .getAgent("broken")
  .generate("Hello?")
  .catch(() => {});

await mastra.shutdown();
await events.shutdown();
console.log(JSON.stringify({ events: events.written }));
process.exit(0);
