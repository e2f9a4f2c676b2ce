"""Hands items to Sentry's Python SDK and says what that took, as one line of JSON.

sender.py DSN COUNT SECONDS

COUNT logs are handed over evenly over SECONDS (0: as fast as can be), and every tenth time a transaction and an error event too.
Then the client is flushed with its default timeout of two seconds, as at the end of a program.
"""

import json
import sys
import time

import sentry_sdk
import sentry_sdk.logger


def main():
    dsn, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    sentry_sdk.init(dsn=dsn, release="search-server@1.4.2", environment="production", traces_sample_rate=1.0,
                    enable_logs=True, default_integrations=False, auto_enabling_integrations=False)
    handed, slowest, start = 0, 0.0, time.monotonic()
    for number in range(count):
        if seconds:
            time.sleep(max(0.0, start + seconds * number / count - time.monotonic()))
        before = time.monotonic()
        sentry_sdk.logger.info("MCP tools/call: search_documents", attributes={"number": number})
        handed += 1
        if number % 10 == 0:
            with sentry_sdk.start_transaction(name="tools/call search_documents", op="tools/call"):
                pass
            # Each another text: the SDK drops an exception object it has just seen.
            sentry_sdk.capture_event({"level": "error", "exception": {"values": [
                {"type": "ToolCallError", "value": f"it failed {number}"}]}})
            handed += 2
        slowest = max(slowest, time.monotonic() - before)
    handing, closing = time.monotonic() - start, time.monotonic()
    sentry_sdk.flush(2.0)
    print(json.dumps({"handed": handed, "handing": handing, "wall": time.monotonic() - start, "cpu": time.process_time(),
                      "peak": 0.0, "flushed": True, "closing": time.monotonic() - closing, "slowest": slowest}), flush=True)


main()
