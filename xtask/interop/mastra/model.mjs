// A language model (AI SDK, specification v2) that answers from a script, one answer a call, streamed or whole.
const USAGE = { inputTokens: 120, outputTokens: 30, totalTokens: 150, reasoningTokens: 10, cachedInputTokens: 40 };

export const call = (toolCallId, toolName, input) => ({ type: "tool-call", toolCallId, toolName, input: JSON.stringify(input) });

export const answer = (text, { reasoning, calls = [] } = {}) => ({
  content: [...(reasoning ? [{ type: "reasoning", text: reasoning }] : []), ...(text ? [{ type: "text", text }] : []), ...calls],
  finishReason: calls.length > 0 ? "tool-calls" : "stop",
});

export const fail = (message) => ({ error: message });

export function scripted(modelId, answers) {
  let turn = 0;
  const next = () => {
    const said = answers[Math.min(turn++, answers.length - 1)];
    if (said.error) throw Object.assign(new Error(said.error), { name: "ModelOverloaded", isRetryable: false });
    return { ...said, id: `resp_${turn}`, modelId: `${modelId}-2026` };
  };
  return {
    specificationVersion: "v2",
    provider: "openai.chat",
    modelId,
    supportedUrls: {},
    async doGenerate() {
      const { content, finishReason, ...response } = next();
      return { content, finishReason, usage: USAGE, warnings: [], response: { ...response, timestamp: new Date() } };
    },
    async doStream() {
      const said = next();
      const start = (controller) => {
        for (const part of parts(said)) controller.enqueue(part);
        controller.close();
      };
      return { stream: new ReadableStream({ start }) };
    },
  };
}

// Text, reasoning and a tool's arguments in two deltas each.
function parts({ content, finishReason, id, modelId }) {
  const block = (block, at) => {
    const isCall = block.type === "tool-call";
    const [kind, text] = isCall ? ["tool-input", block.input] : [block.type, block.text];
    const [key, half] = [isCall ? block.toolCallId : `${at}`, Math.ceil(text.length / 2)];
    return [
      { type: `${kind}-start`, id: key, ...(isCall && { toolName: block.toolName }) },
      { type: `${kind}-delta`, id: key, delta: text.slice(0, half) },
      { type: `${kind}-delta`, id: key, delta: text.slice(half) },
      { type: `${kind}-end`, id: key },
      ...(isCall ? [block] : []),
    ];
  };
  return [
    { type: "stream-start", warnings: [] },
    { type: "response-metadata", id, modelId, timestamp: new Date() },
    ...content.flatMap(block),
    { type: "finish", finishReason, usage: USAGE },
  ];
}
