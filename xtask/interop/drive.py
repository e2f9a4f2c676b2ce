"""Drives an MCP server with the official Python client: `drive.py ERA PLAN.json CMD ARGS…` over stdio, or
`drive.py ERA PLAN.json URL` over streamable HTTP.

ERA is `legacy` (initialize), `2026-07-28`, or `auto` (asks with server/discover first). Writes the same lines as
`drive.mjs`: one for each step of the plan, one for each thing the server asked or told on its own.
"""

import asyncio
import base64
import contextlib
import json
import os
import re
import sys
import time
import warnings

import mcp_types as types
from mcp import Client, StdioServerParameters
from mcp.shared.exceptions import MCPError

STEP_LIMIT_S = 20
CHANGING = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?"), "(time)"),
    (re.compile(r"\b\d{1,2}:\d\d:\d\d( [AP]M)?\b"), "(time)"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "(uuid)"),
]

warnings.simplefilter("ignore")
era, plan_file, command, *arguments = sys.argv[1:]
with open(plan_file, encoding="utf-8") as file:
    plan = json.load(file)


def stable(value):
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, str):
        for pattern, word in CHANGING:
            value = pattern.sub(word, value)
        return value
    if isinstance(value, (list, tuple)):
        return [stable(each) for each in value]
    if isinstance(value, dict):
        if isinstance(value.get("blob"), str):
            value = {**value, "blob": base64.b64decode(value["blob"]).decode("latin-1")}
        return {key: stable(value[key]) for key in sorted(value)}
    return value


def write(line):
    print(json.dumps(line, ensure_ascii=False), flush=True)


def from_server(name, value):
    write({"from": "server", "name": name, "value": stable(value)})


async def sample(_context, params):
    from_server("sampling/createMessage", params)
    return types.CreateMessageResult(role="assistant", model="none", content=types.TextContent(type="text", text="Sampled: naïve ☃"))


async def elicit(_context, params):
    from_server("elicitation/create", params)
    return types.ElicitResult(action="accept", content={"sliced": True, "name": "Ada", "check": True})


async def list_roots(_context):
    from_server("roots/list", {})
    return types.ListRootsResult(roots=[types.Root(uri="file:///srv/project", name="project")])


async def log(params):
    from_server("notifications/message", params)


async def progress(done, total, message):
    from_server("notifications/progress", [done, total, message])


async def cancel(client, step):
    """A call given up at its first sign of progress."""
    begun = asyncio.Event()

    async def notice(*_progress):
        begun.set()

    call = asyncio.ensure_future(client.call_tool(step["cancel"], step["arguments"], progress_callback=notice))
    await asyncio.wait({call, asyncio.ensure_future(begun.wait())}, return_when=asyncio.FIRST_COMPLETED)
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    return "cancelled"


async def complete(client, step):
    reference, argument = step["complete"]["ref"], step["complete"]["argument"]
    kind = types.PromptReference if reference["type"] == "ref/prompt" else types.ResourceTemplateReference
    return await client.complete(kind.model_validate(reference), argument)


async def together(client, step):
    return await asyncio.gather(*(outcome(client, each) for each in step["together"]))


LISTS = {"tools": "list_tools", "resources": "list_resources", "templates": "list_resource_templates", "prompts": "list_prompts"}
STEPS = {
    "list": lambda client, step: getattr(client, LISTS[step["list"]])(**({"cursor": step["cursor"]} if "cursor" in step else {})),
    "call": lambda client, step: client.call_tool(step["call"], step["arguments"], progress_callback=progress),
    "cancel": cancel,
    "read": lambda client, step: client.read_resource(step["read"]),
    "prompt": lambda client, step: client.get_prompt(step["prompt"], step["arguments"]),
    "complete": complete,
    "subscribe": lambda client, step: client.subscribe_resource(step["subscribe"]),
    "unsubscribe": lambda client, step: client.unsubscribe_resource(step["unsubscribe"]),
    "level": lambda client, step: client.set_logging_level(step["level"]),
    "ping": lambda client, step: client.send_ping(),
    "together": together,
}


async def outcome(client, step):
    kind = next(name for name in STEPS if name in step)
    try:
        return {"result": stable(await asyncio.wait_for(STEPS[kind](client, step), STEP_LIMIT_S))}
    except MCPError as failure:
        return {"failure": stable({"code": failure.code, "message": failure.message, "data": failure.data})}
    except Exception as failure:
        return {"failure": {"code": None, "message": stable(f"{type(failure).__name__}: {failure}")}}


async def main():
    over_http = command.startswith("http://")
    client = Client(
        command if over_http else StdioServerParameters(command=command, args=arguments, env=dict(os.environ)),
        mode=era,
        client_info=types.Implementation(**plan["client"]),
        sampling_callback=sample,
        elicitation_callback=elicit,
        list_roots_callback=list_roots,
        logging_callback=log,
        log_level="debug",
        cache=None,
    )
    async with client:
        write({"step": "connected", "result": stable({"protocol": client.protocol_version, "server": client.server_info})})
        for step in plan["steps"]:
            write({"step": step, **await outcome(client, step)})
        closing = time.monotonic()
    write({"closed_ms": round((time.monotonic() - closing) * 1000)})


asyncio.run(main())
