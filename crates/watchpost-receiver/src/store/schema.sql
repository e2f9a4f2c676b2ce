-- Schema 1. Times are nanoseconds since the Unix epoch, ids are bytes. `items` keeps what arrived as it came; the other
-- tables are what the pages read, and everything in them that names an item goes when the item is pruned.

CREATE TABLE items (
    id          INTEGER PRIMARY KEY,
    received_at INTEGER NOT NULL,
    timestamp   INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    project     TEXT    NOT NULL,
    trace_id    BLOB,
    span_id     BLOB,
    event_id    BLOB,
    -- What makes a resend recognisable; NULL for items without an identity of their own.
    dedupe      BLOB,
    payload     BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX items_by_dedupe ON items (dedupe) WHERE dedupe IS NOT NULL;

CREATE TABLE logs (
    item      INTEGER PRIMARY KEY,
    timestamp INTEGER NOT NULL,
    -- Severity number: 1 trace, 5 debug, 9 info, 13 warn, 17 error, 21 fatal.
    severity  INTEGER NOT NULL,
    body      TEXT    NOT NULL,
    trace_id  BLOB,
    span_id   BLOB
) STRICT;
CREATE INDEX logs_by_time  ON logs (timestamp, item);
CREATE INDEX logs_by_trace ON logs (trace_id, timestamp) WHERE trace_id IS NOT NULL;

-- A transaction is its root (position 0) and its children (1..); a v2 span is one row.
CREATE TABLE spans (
    item      INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    trace_id  BLOB    NOT NULL,
    span_id   BLOB    NOT NULL,
    parent_id BLOB,
    kind      TEXT    NOT NULL,
    op        TEXT,
    name      TEXT    NOT NULL,
    started   INTEGER NOT NULL,
    ended     INTEGER NOT NULL,
    status    TEXT,
    is_error  INTEGER NOT NULL,
    PRIMARY KEY (item, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX spans_by_trace ON spans (trace_id, started);

CREATE TABLE traces (
    trace_id   BLOB    PRIMARY KEY,
    -- The first session seen in the trace: where an item without a session id belongs.
    session    INTEGER,
    name       TEXT,
    op         TEXT,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    spans      INTEGER NOT NULL,
    logs       INTEGER NOT NULL,
    errors     INTEGER NOT NULL,
    last_item  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX traces_by_time ON traces (last_seen) WHERE spans > 0;

CREATE TABLE issues (
    id          INTEGER PRIMARY KEY,
    fingerprint BLOB    NOT NULL UNIQUE,
    title       TEXT    NOT NULL,
    culprit     TEXT,
    level       TEXT    NOT NULL,
    first_seen  INTEGER NOT NULL,
    last_seen   INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    last_item   INTEGER NOT NULL
) STRICT;
CREATE INDEX issues_by_time ON issues (last_seen, id);

CREATE TABLE error_events (
    item      INTEGER PRIMARY KEY,
    issue     INTEGER NOT NULL,
    timestamp INTEGER NOT NULL,
    trace_id  BLOB,
    span_id   BLOB,
    message   TEXT    NOT NULL
) STRICT;
CREATE INDEX error_events_by_issue ON error_events (issue, timestamp);
CREATE INDEX error_events_by_span  ON error_events (trace_id, span_id) WHERE span_id IS NOT NULL;

CREATE TABLE sessions (
    id             INTEGER PRIMARY KEY,
    -- The session id, or the trace id in hex when there is none.
    key            TEXT    NOT NULL UNIQUE,
    session_id     TEXT,
    client_name    TEXT,
    client_version TEXT,
    server_name    TEXT,
    server_version TEXT,
    actor_id       TEXT,
    actor_name     TEXT,
    first_seen     INTEGER NOT NULL,
    last_seen      INTEGER NOT NULL,
    events         INTEGER NOT NULL,
    calls          INTEGER NOT NULL,
    errors         INTEGER NOT NULL,
    last_item      INTEGER NOT NULL
) STRICT;
CREATE INDEX sessions_by_time ON sessions (last_seen, id);

-- One MCP event, joined from its log, its transaction (or span) and its error event. The id is
-- 4096 times its first item's, plus its place among that item's events.
CREATE TABLE mcp_events (
    id               INTEGER PRIMARY KEY,
    session          INTEGER NOT NULL,
    trace_id         BLOB,
    span_id          BLOB,
    timestamp        INTEGER NOT NULL,
    method           TEXT    NOT NULL,
    resource         TEXT,
    duration_ms      REAL,
    status           TEXT,
    is_error         INTEGER NOT NULL,
    error            TEXT,
    user_intent      TEXT,
    log_item         INTEGER,
    transaction_item INTEGER,
    error_item       INTEGER,
    last_item        INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX mcp_events_by_span ON mcp_events (trace_id, span_id) WHERE span_id IS NOT NULL;
CREATE INDEX mcp_events_by_session ON mcp_events (session, timestamp, id);

-- What arrived, by item type, for as long as the database exists (pruning does not lower it).
CREATE TABLE item_counts (
    kind       TEXT    PRIMARY KEY,
    received   INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    unreadable INTEGER NOT NULL,
    pruned     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What senders said they dropped (client reports).
CREATE TABLE discards (
    reason   TEXT    NOT NULL,
    category TEXT    NOT NULL,
    quantity INTEGER NOT NULL,
    PRIMARY KEY (reason, category)
) STRICT, WITHOUT ROWID;
