-- Schema 2: what the overview, the tools and the search read without looking at every item.

-- Calls of one kind in one stretch of time. `step` is its length in seconds: 60, and 3600 for long ranges.
CREATE TABLE metrics (
    step          INTEGER NOT NULL,
    -- Its beginning, in seconds since the Unix epoch.
    at            INTEGER NOT NULL,
    -- `mcp`, `model` or `tool`.
    kind          TEXT    NOT NULL,
    calls         INTEGER NOT NULL,
    errors        INTEGER NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    -- US dollars.
    cost          REAL    NOT NULL,
    -- A histogram of durations: five bytes a bucket, its number and its count.
    latencies     BLOB    NOT NULL,
    PRIMARY KEY (step, at, kind)
) STRICT, WITHOUT ROWID;

-- A tool of an MCP server (`mcp`) or of an agent (`tool`), or a model (`model`) of a provider.
CREATE TABLE tools (
    kind           TEXT    NOT NULL,
    -- The server, agent or provider; empty when it was not said.
    owner          TEXT    NOT NULL,
    name           TEXT    NOT NULL,
    calls          INTEGER NOT NULL,
    errors         INTEGER NOT NULL,
    latencies      BLOB    NOT NULL,
    longest_ms     REAL    NOT NULL,
    -- Bytes of requests and responses, and how many calls told theirs.
    request_bytes  INTEGER NOT NULL,
    response_bytes INTEGER NOT NULL,
    sized          INTEGER NOT NULL,
    input_tokens   INTEGER NOT NULL,
    output_tokens  INTEGER NOT NULL,
    cost           REAL    NOT NULL,
    first_seen     INTEGER NOT NULL,
    last_seen      INTEGER NOT NULL,
    last_error     TEXT,
    PRIMARY KEY (kind, owner, name)
) STRICT, WITHOUT ROWID;

-- Who sends: an SDK and a project.
CREATE TABLE sources (
    sdk        TEXT    NOT NULL,
    version    TEXT    NOT NULL,
    project    TEXT    NOT NULL,
    items      INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    PRIMARY KEY (sdk, version, project)
) STRICT, WITHOUT ROWID;

ALTER TABLE mcp_events ADD COLUMN request_bytes  INTEGER;
ALTER TABLE mcp_events ADD COLUMN response_bytes INTEGER;
ALTER TABLE mcp_events ADD COLUMN actor          TEXT;
ALTER TABLE mcp_events ADD COLUMN direction      TEXT;

-- US dollars of a model's call.
ALTER TABLE spans ADD COLUMN cost REAL;

ALTER TABLE traces ADD COLUMN model_calls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE traces ADD COLUMN tokens      INTEGER NOT NULL DEFAULT 0;
ALTER TABLE traces ADD COLUMN cost        REAL    NOT NULL DEFAULT 0;

CREATE INDEX issues_by_count ON issues (count);
-- For the logs of at least a level: one range a level, each in time order.
CREATE INDEX logs_by_severity ON logs (severity, timestamp, item);

-- The words of each item, without their places: small, and enough for "all of these words".
CREATE VIRTUAL TABLE search USING fts5 (
    text, content = '', contentless_delete = 1, detail = none, tokenize = 'unicode61 remove_diacritics 2'
);
-- The last item whose words are in `search`; the writer goes on when it has nothing else to do.
CREATE TABLE search_state (indexed INTEGER NOT NULL) STRICT;
INSERT INTO search_state VALUES (0);
