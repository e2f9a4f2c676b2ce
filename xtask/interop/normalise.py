"""Runs what would reach Sentry through Relay's own normaliser and through the written rules it enforces elsewhere.

Reads JSON lines `{"where", "type", "header", "payload"}` on standard input, one for each envelope item; writes a JSON line
`{"where", "what"}` for everything that Sentry would reject, lose or change. Events and transactions go through
`sentry-relay`; logs and version 2 spans, which it does not take, are checked against Sentry's protocol pages.
"""

import json
import math
import re
import sys

from sentry_relay.processing import StoreNormalizer

NORMALISER = StoreNormalizer(
    project_id=1,
    client="watchpost/0",
    protocol_version="7",
    remove_other=True,
    enable_trimming=True,
    normalize_user_agent=True,
    normalize_spans=True,
    max_secs_in_past=30 * 24 * 3600,
    max_secs_in_future=60,
)
# Relay moves a deprecated attribute's value to its current name; both spellings are sent on purpose.
DEPRECATED = "attribute.deprecated"
LEVELS = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}
ATTRIBUTE_TYPES = {"string": str, "boolean": bool, "integer": int, "double": (int, float)}
LOG_FIELDS = {"timestamp", "trace_id", "span_id", "level", "severity_number", "body", "attributes"}
# Not in Sentry's log schema, and not stored: seed 000 lists it.
SEED_LOG_FIELDS = {"event_id"}
SPAN_FIELDS = {
    "trace_id", "span_id", "parent_span_id", "name", "status", "is_segment", "start_timestamp", "end_timestamp", "attributes", "links",
}  # fmt: skip


def remarks(meta, path=""):
    """Every note in `_meta`, with the path it belongs to."""
    for key, value in meta.items() if isinstance(meta, dict) else ():
        if key == "":
            yield path, value
        else:
            yield from remarks(value, f"{path}.{key}" if path else key)


def leaves(value, path=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}.{index}")
    else:
        yield path, value


def comparable(event):
    """Tags as a mapping, and without those that Relay turns into fields."""
    event = {key: value for key, value in event.items() if key != "_meta"}
    tags = event.get("tags") or {}
    tags = {pair[0]: pair[1] for pair in tags if pair} if isinstance(tags, list) else dict(tags)
    for field in ("environment", "release"):
        value = tags.pop(field, None)
        if value is not None and not event.get(field):
            event[field] = value
    event["tags"] = tags
    return event


def same(a, b):
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and not isinstance(a, bool):
        return math.isclose(a, b, rel_tol=0, abs_tol=0.0011)
    return a == b


def check_event(payload):
    try:
        stored = NORMALISER.normalize_event(json.loads(json.dumps(payload)))
    except Exception as refusal:
        yield f"rejected whole: {str(refusal).splitlines()[0]}"
        return
    moved = set()
    for path, note in remarks(stored.get("_meta")):
        for error in note.get("err") or ():
            yield f"{path}: {error if isinstance(error, str) else error[0]} (was {json.dumps(note.get('val'))[:80]})"
        for remark in note.get("rem") or ():
            if remark[0] == DEPRECATED:
                moved.add(path)
            else:
                yield f"{path}: changed by {remark[0]}"
        if "val" in note and not note.get("err") and not note.get("rem"):
            yield f"{path}: changed from {json.dumps(note['val'])[:80]}"
    kept = dict(leaves(comparable(stored)))
    for path, value in leaves(comparable(payload)):
        if value is None or path in moved:
            continue
        if path not in kept or kept[path] is None:
            yield f"{path}: lost (was {json.dumps(value)[:80]})"
        elif not same(value, kept[path]):
            yield f"{path}: {json.dumps(value)[:80]} became {json.dumps(kept[path])[:80]}"
    yield from check_agent_views(stored)


# What Sentry's agent views select spans by; Relay sets it from the operation.
OPERATION_TYPES = {"gen_ai.invoke_agent": "agent", "gen_ai.chat": "ai_client", "gen_ai.execute_tool": "tool"}


def check_agent_views(stored):
    trace = (stored.get("contexts") or {}).get("trace") or {}
    for span in (trace, *(stored.get("spans") or ())):
        wanted = OPERATION_TYPES.get(span.get("op"))
        found = (span.get("data") or {}).get("gen_ai.operation.type")
        if wanted and found != wanted:
            yield f"{span['op']}: gen_ai.operation.type became {found!r} instead of {wanted!r}"


def check_container(header, payload, content_type, limit, check_item):
    items = payload.get("items") if isinstance(payload, dict) else None
    if not isinstance(items, list) or not items:
        yield "the payload holds no items"
        return
    if header.get("item_count") != len(items):
        yield f"item_count is {header.get('item_count')!r} for {len(items)} items"
    if header.get("content_type") != content_type:
        yield f"content_type is {header.get('content_type')!r}"
    if len(items) > limit:
        yield f"{len(items)} items, more than {limit}"
    for item in items:
        yield from check_item(item)


def check_log(log):
    yield from hex_id(log, "trace_id", 32)
    if "span_id" in log:
        yield from hex_id(log, "span_id", 16)
    yield from seconds(log, "timestamp")
    if log.get("level") not in LEVELS:
        yield f"log level {log.get('level')!r}"
    elif "severity_number" in log and not 0 <= log["severity_number"] - LEVELS[log["level"]] < 4:
        yield f"severity_number {log['severity_number']} for level {log['level']}"
    if not isinstance(log.get("body"), str) or not log["body"]:
        yield "a log without body"
    for field in sorted(set(log) - LOG_FIELDS - SEED_LOG_FIELDS):
        yield f"log field {field} is not in Sentry's schema"
    yield from check_attributes(log.get("attributes"))


def check_span(span):
    yield from hex_id(span, "trace_id", 32)
    yield from hex_id(span, "span_id", 16)
    yield from seconds(span, "start_timestamp")
    yield from seconds(span, "end_timestamp")
    if span.get("status") not in ("ok", "error"):
        yield f"span status {span.get('status')!r}"
    if not isinstance(span.get("name"), str) or not span["name"]:
        yield "a span without name"
    for field in sorted(set(span) - SPAN_FIELDS):
        yield f"span field {field} is not in Sentry's schema"
    yield from check_attributes(span.get("attributes"))


def check_attributes(attributes):
    for key, attribute in (attributes or {}).items():
        if not isinstance(attribute, dict) or not {"value", "type"} <= set(attribute) <= {"value", "type", "unit"}:
            yield f"attribute {key} is not a value with a type"
            continue
        kind, value = attribute["type"], attribute["value"]
        fits = kind in ATTRIBUTE_TYPES and isinstance(value, ATTRIBUTE_TYPES[kind])
        if not fits or (isinstance(value, bool) and kind != "boolean"):
            yield f"attribute {key} of type {kind!r} has the value {json.dumps(value)[:80]}"


def hex_id(holder, field, digits):
    value = holder.get(field)
    if not isinstance(value, str) or not re.fullmatch(rf"[0-9a-f]{{{digits}}}", value) or not value.strip("0"):
        yield f"{field} {value!r} is not {digits} hex digits"


def seconds(holder, field):
    value = holder.get(field)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1e9 < value < 1e10:
        yield f"{field} {value!r} is not in seconds"


def check(item):
    header, payload = item["header"], item["payload"]
    match item["type"]:
        case "event" | "transaction":
            return check_event(payload)
        case "log":
            return check_container(header, payload, "application/vnd.sentry.items.log+json", 100, check_log)
        case "span":
            return check_container(header, payload, "application/vnd.sentry.items.span.v2+json", 1000, check_span)
        case "client_report":
            return ()
        case other:
            return (f"an item of type {other}",)


for line in sys.stdin:
    item = json.loads(line)
    for what in check(item):
        print(json.dumps({"where": item["where"], "what": f"{item['type']}: {what}"}, ensure_ascii=False))
