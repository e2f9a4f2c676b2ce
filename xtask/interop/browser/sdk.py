"""What a Python application sends with Sentry's own SDK: an error, a log, a trace with AI and MCP spans.

python sdk.py DSN
"""

import json
import sys

import sentry_sdk

sentry_sdk.init(
    dsn=sys.argv[1],
    traces_sample_rate=1.0,
    enable_logs=True,
    environment="interop",
    release="sdk@1.0.0",
)
with sentry_sdk.start_transaction(name="python agent", op="gen_ai.invoke_agent"):
    with sentry_sdk.start_span(op="gen_ai.chat", name="chat gpt-4o") as span:
        span.set_data("gen_ai.operation.name", "chat")
        span.set_data("gen_ai.request.model", "gpt-4o")
        span.set_data("gen_ai.usage.input_tokens", 1000)
        span.set_data("gen_ai.usage.output_tokens", 100)
        span.set_data("gen_ai.request.messages", json.dumps([{"role": "user", "content": "asked by python"}]))
    with sentry_sdk.start_span(op="mcp.server", name="tools/call python_tool") as span:
        span.set_data("mcp.method.name", "tools/call")
        span.set_data("mcp.tool.name", "python_tool")
        span.set_data("mcp.session.id", "python-session")
    sentry_sdk.logger.info("a log by python")
    try:
        raise ValueError("an error by python")
    except ValueError as error:
        sentry_sdk.capture_exception(error)
sentry_sdk.flush(timeout=10)
