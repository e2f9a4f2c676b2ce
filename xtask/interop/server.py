"""A small MCP server on the official Python SDK, over stdio; answers the 2025 and the 2026-07-28 revision alike.

What its tools do is fixed, so that what must be reported about them is known: see `seed_000` in `cargo xtask interop`.
"""

import asyncio
import base64
from typing import Annotated

from mcp.server.mcpserver import Context, Elicit, Image, ListRoots, MCPServer, Resolve, Sample
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import Completion, CreateMessageResult, ListRootsResult, SamplingMessage, TextContent
from pydantic import BaseModel

PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==")

server = MCPServer("interop-bakery", version="7.5.3", title="The bakery")


class Order(BaseModel):
    bread: str
    loaves: int


class Answer(BaseModel):
    sliced: bool


@server.tool()
def price(bread: str) -> str:
    """What a bread costs."""
    return f"{bread}: 3 €"


@server.tool()
def order(bread: str, loaves: int = 1) -> Order:
    """Structured content."""
    return Order(bread=bread, loaves=loaves)


@server.tool()
def picture() -> Image:
    """An image."""
    return Image(data=PIXEL, format="png")


@server.tool()
async def bake(ctx: Context, milliseconds: int = 150) -> str:
    """Takes a known time and tells its progress."""
    for third in (1, 2, 3):
        await asyncio.sleep(milliseconds / 3000)
        await ctx.report_progress(third, 3, f"{third}/3 baked")
    return "baked"


@server.tool()
async def announce(ctx: Context, text: str) -> str:
    """Logs to the client."""
    await ctx.info(text)
    return "announced"


@server.tool()
def burn() -> str:
    """Fails as a tool may: with isError and the words it chose."""
    raise ToolError("the oven is on fire: ünïcode ☃")


@server.tool()
def crash() -> str:
    """Fails as a program may: with an exception."""
    raise ZeroDivisionError("crumbs")


def slicing() -> Elicit[Answer]:
    return Elicit("Sliced?", Answer)


def tasting() -> Sample:
    return Sample([SamplingMessage(role="user", content=TextContent(type="text", text="Taste it"))], max_tokens=5)


def shops() -> ListRoots:
    return ListRoots()


@server.tool()
def ask(answer: Annotated[Answer, Resolve(slicing)]) -> str:
    """Asks the user: elicitation, or a round of input in the 2026-07-28 revision."""
    return f"sliced: {answer.sliced}"


@server.tool()
def taste(sample: Annotated[CreateMessageResult, Resolve(tasting)]) -> str:
    """Asks the client's model."""
    return f"tasted by {sample.model}"


@server.tool()
def nearby(found: Annotated[ListRootsResult, Resolve(shops)]) -> str:
    """Asks for the client's roots."""
    return ", ".join(str(root.uri) for root in found.roots)


@server.resource("bakery://menu", mime_type="text/plain")
def menu() -> str:
    return "rye\nwheat\nspelt\n"


@server.resource("bakery://bread/{name}")
def bread(name: str) -> str:
    return f"all about {name}"


@server.prompt()
def recipe(bread: str) -> str:
    """How to bake it."""
    return f"Bake a {bread} bread."


@server.completion()
async def complete(ref, argument, context):
    return Completion(values=[word for word in ("rye", "wheat", "spelt") if word.startswith(argument.value)])


if __name__ == "__main__":
    server.run("stdio")
