// An MCP server as most are: the official TypeScript SDK on standard input and output, with one tool.
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { z } from "zod";

const server = new McpServer({ name: "bench-server", version: "1.0.0" });
server.registerTool("echo", { description: "Says the text back.", inputSchema: { text: z.string() } }, async ({ text }) => ({
  content: [{ type: "text", text }],
}));
// The SDK's transport does not see its input's end.
process.stdin.on("end", () => process.exit(0));
await server.connect(new StdioServerTransport());
