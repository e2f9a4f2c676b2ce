"""An MCP server on the official Python SDK, over stdio, whose tools give back the arguments they got, to the last byte of
meaning: what `--tool-call-context` adds for the model must never come here. Answers both eras of the protocol.
"""

import asyncio
import json

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

TEXT = {"type": "string"}
TOOLS = [
    # Take the argument.
    ("open", {"type": "object", "properties": {"text": TEXT}, "required": ["text"]}),
    ("closed", {"type": "object", "properties": {"text": TEXT}, "additionalProperties": False}),
    ("empty", {"type": "object"}),
    # Have one of their own.
    ("own", {"type": "object", "properties": {"context": {"type": "integer"}}, "required": ["context"]}),
    ("wants", {"type": "object", "required": ["context"]}),
    # Could break with another.
    ("either", {"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
    ("little", {"type": "object", "maxProperties": 1}),
    ("named", {"type": "object", "propertyNames": {"pattern": "^(text|context)$"}}),
]


async def list_tools(_context, params):
    tools = [types.Tool(name=name, description=f"The tool {name}.", input_schema=schema) for name, schema in TOOLS]
    # Two pages, so that each is seen to be changed.
    if params is not None and params.cursor == "2":
        return types.ListToolsResult(tools=tools[4:])
    return types.ListToolsResult(tools=tools[:4], next_cursor="2")


async def call_tool(_context, params):
    text = json.dumps(params.arguments, ensure_ascii=False, sort_keys=True)
    return types.CallToolResult(content=[types.TextContent(type="text", text=f"{params.name} got {text}")])


server = Server("interop-context", version="1.2.3", on_list_tools=list_tools, on_call_tool=call_tool)


async def main():
    async with stdio_server() as (reader, writer):
        await server.run(reader, writer, server.create_initialization_options())


asyncio.run(main())
