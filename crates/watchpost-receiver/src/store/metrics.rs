//! What a batch adds to the kept sums: calls by time and kind, tools and models, senders. Summed up in memory and written
//! once a batch, so that the overview reads a few hundred rows and never the items.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};
use watchpost_sentry::wire::Timestamp;

use super::histogram::Histogram;
use super::record::{CallKind, Sdk, Usage};

/// The lengths of the stretches of time, in seconds.
pub(crate) const STEPS: [i64; 2] = [60, 3600];

/// Stretches kept of each length; the oldest go. Two weeks of minutes, two years of hours.
const MAX_STRETCHES: i64 = 20_000;

/// Tools and models kept apart; later ones are counted as `other`. Anyone may invent names.
const MAX_TOOLS: i64 = 5_000;

/// Senders kept apart.
const MAX_SOURCES: i64 = 256;

const NANOS: i64 = 1_000_000_000;

/// What is known of a call, or what a later item adds to it.
#[derive(Clone, Debug, Default)]
pub(super) struct CallDelta {
    pub(super) calls: i64,
    pub(super) errors: i64,
    pub(super) duration_ms: Option<f64>,
    /// Bytes of the request and of the response.
    pub(super) sizes: Option<(i64, i64)>,
    pub(super) usage: Usage,
    pub(super) error: Option<String>,
}

/// Which tool or model a call was for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ToolKey {
    pub(super) kind: CallKind,
    pub(super) owner: String,
    pub(super) name: String,
}

#[derive(Debug, Default)]
struct Stretch {
    calls: i64,
    errors: i64,
    usage: Usage,
    latencies: Histogram,
}

#[derive(Debug, Default)]
struct ToolSum {
    calls: i64,
    errors: i64,
    usage: Usage,
    latencies: Histogram,
    longest_ms: f64,
    request_bytes: i64,
    response_bytes: i64,
    sized: i64,
    first_seen: i64,
    last_seen: i64,
    last_error: Option<String>,
}

#[derive(Debug)]
struct SourceSum {
    items: i64,
    first_seen: i64,
    last_seen: i64,
}

/// Sums of one batch.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    stretches: HashMap<(i64, i64, CallKind), Stretch>,
    tools: HashMap<ToolKey, ToolSum>,
    /// By SDK and project.
    sources: HashMap<(Option<Arc<Sdk>>, Arc<str>), SourceSum>,
}

impl Metrics {
    /// Adds a call, or what a later item says of one that is counted already.
    pub(super) fn add(&mut self, at: Timestamp, kind: CallKind, tool: Option<ToolKey>, delta: CallDelta) {
        let seconds = at.nanos().div_euclid(NANOS);
        for step in STEPS {
            let sum = self.stretches.entry((step, seconds.div_euclid(step) * step, kind)).or_default();
            sum.calls += delta.calls;
            sum.errors += delta.errors;
            sum.usage.add(&delta.usage);
            if let Some(duration) = delta.duration_ms {
                sum.latencies.add(duration);
            }
        }
        let Some(tool) = tool else { return };
        let nanos = at.nanos();
        let sum = self.tools.entry(tool).or_insert_with(|| ToolSum {
            first_seen: nanos,
            last_seen: nanos,
            ..ToolSum::default()
        });
        sum.calls += delta.calls;
        sum.errors += delta.errors;
        sum.usage.add(&delta.usage);
        sum.first_seen = sum.first_seen.min(nanos);
        sum.last_seen = sum.last_seen.max(nanos);
        if let Some(duration) = delta.duration_ms {
            sum.latencies.add(duration);
            sum.longest_ms = sum.longest_ms.max(duration);
        }
        if let Some((request, response)) = delta.sizes {
            sum.request_bytes = sum.request_bytes.saturating_add(request);
            sum.response_bytes = sum.response_bytes.saturating_add(response);
            sum.sized += 1;
        }
        if delta.error.is_some() {
            sum.last_error = delta.error;
        }
    }

    /// Counts an item's sender.
    pub(super) fn add_source(&mut self, sdk: Option<&Arc<Sdk>>, project: &Arc<str>, at: Timestamp) {
        let nanos = at.nanos();
        let new = || SourceSum { items: 0, first_seen: nanos, last_seen: nanos };
        let sum = self.sources.entry((sdk.cloned(), Arc::clone(project))).or_insert_with(new);
        sum.items += 1;
        sum.first_seen = sum.first_seen.min(nanos);
        sum.last_seen = sum.last_seen.max(nanos);
    }

    /// Adds everything to the tables.
    pub(super) fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        self.write_stretches(connection)?;
        self.write_tools(connection)?;
        self.write_sources(connection)
    }

    fn write_stretches(&self, connection: &Connection) -> rusqlite::Result<()> {
        if self.stretches.is_empty() {
            return Ok(());
        }
        let mut read =
            connection.prepare_cached("SELECT latencies FROM metrics WHERE step = ?1 AND at = ?2 AND kind = ?3")?;
        let mut write = connection.prepare_cached(
            "INSERT INTO metrics (step, at, kind, calls, errors, input_tokens, output_tokens, cost, latencies)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (step, at, kind) DO UPDATE SET calls = calls + excluded.calls, errors = errors + excluded.errors,
                 input_tokens = input_tokens + excluded.input_tokens, output_tokens = output_tokens + excluded.output_tokens,
                 cost = cost + excluded.cost, latencies = excluded.latencies",
        )?;
        for ((step, at, kind), sum) in &self.stretches {
            let known: Option<Vec<u8>> = read.query_row(params![step, at, kind.name()], |row| row.get(0)).optional()?;
            let mut latencies = known.map(|bytes| Histogram::decode(&bytes)).unwrap_or_default();
            latencies.merge(&sum.latencies);
            write.execute(params![
                step,
                at,
                kind.name(),
                sum.calls,
                sum.errors,
                sum.usage.input_tokens,
                sum.usage.output_tokens,
                sum.usage.cost,
                latencies.encode(),
            ])?;
        }
        for step in STEPS {
            connection
                .prepare_cached(
                    "DELETE FROM metrics WHERE step = ?1 AND at < (SELECT max(at) FROM metrics WHERE step = ?1) - ?2",
                )?
                .execute(params![step, step * MAX_STRETCHES])?;
        }
        Ok(())
    }

    fn write_tools(&self, connection: &Connection) -> rusqlite::Result<()> {
        if self.tools.is_empty() {
            return Ok(());
        }
        let mut read =
            connection.prepare_cached("SELECT latencies FROM tools WHERE kind = ?1 AND owner = ?2 AND name = ?3")?;
        let mut room = connection.prepare_cached("SELECT count(*) FROM tools")?;
        let mut write = connection.prepare_cached(
            "INSERT INTO tools (kind, owner, name, calls, errors, latencies, longest_ms, request_bytes, response_bytes, sized,
                 input_tokens, output_tokens, cost, first_seen, last_seen, last_error)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
             ON CONFLICT (kind, owner, name) DO UPDATE SET calls = calls + excluded.calls, errors = errors + excluded.errors,
                 latencies = excluded.latencies, longest_ms = max(longest_ms, excluded.longest_ms),
                 request_bytes = request_bytes + excluded.request_bytes,
                 response_bytes = response_bytes + excluded.response_bytes, sized = sized + excluded.sized,
                 input_tokens = input_tokens + excluded.input_tokens, output_tokens = output_tokens + excluded.output_tokens,
                 cost = cost + excluded.cost, first_seen = min(first_seen, excluded.first_seen),
                 last_seen = max(last_seen, excluded.last_seen), last_error = coalesce(excluded.last_error, last_error)",
        )?;
        for (key, sum) in &self.tools {
            let (mut owner, mut name) = (key.owner.as_str(), key.name.as_str());
            let find = |statement: &mut rusqlite::CachedStatement<'_>, owner: &str, name: &str| {
                statement.query_row(params![key.kind.name(), owner, name], |row| row.get::<_, Vec<u8>>(0)).optional()
            };
            let mut known = find(&mut read, owner, name)?;
            if known.is_none() && room.query_row([], |row| row.get::<_, i64>(0))? >= MAX_TOOLS {
                (owner, name) = ("", "other");
                known = find(&mut read, owner, name)?;
            }
            let mut latencies = known.map(|bytes| Histogram::decode(&bytes)).unwrap_or_default();
            latencies.merge(&sum.latencies);
            write.execute(params![
                key.kind.name(),
                owner,
                name,
                sum.calls,
                sum.errors,
                latencies.encode(),
                sum.longest_ms,
                sum.request_bytes,
                sum.response_bytes,
                sum.sized,
                sum.usage.input_tokens,
                sum.usage.output_tokens,
                sum.usage.cost,
                sum.first_seen,
                sum.last_seen,
                sum.last_error,
            ])?;
        }
        Ok(())
    }

    fn write_sources(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(
            "INSERT INTO sources (sdk, version, project, items, first_seen, last_seen)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6
             WHERE (SELECT count(*) FROM sources) < ?7
                OR EXISTS (SELECT 1 FROM sources WHERE sdk = ?1 AND version = ?2 AND project = ?3)
             ON CONFLICT (sdk, version, project) DO UPDATE SET items = items + excluded.items,
                 first_seen = min(first_seen, excluded.first_seen), last_seen = max(last_seen, excluded.last_seen)",
        )?;
        for ((sdk, project), sum) in &self.sources {
            let (name, version) = sdk.as_ref().map_or(("", ""), |sdk| (&sdk.name, &sdk.version));
            statement.execute(params![
                name,
                version,
                &**project,
                sum.items,
                sum.first_seen,
                sum.last_seen,
                MAX_SOURCES
            ])?;
        }
        Ok(())
    }
}

/// Fills the sums from the MCP events of a database that had none (schema 1).
pub(super) fn rebuild(connection: &Connection) -> rusqlite::Result<()> {
    let mut metrics = Metrics::default();
    let mut statement = connection.prepare(
        "SELECT mcp_events.timestamp, method, resource, duration_ms, is_error, error, coalesce(server_name, '')
         FROM mcp_events JOIN sessions ON sessions.id = mcp_events.session",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (method, resource): (String, Option<String>) = (row.get(1)?, row.get(2)?);
        let tool = tool_key(&method, resource.as_deref(), &row.get::<_, String>(6)?);
        let delta = CallDelta {
            calls: 1,
            errors: row.get(4)?,
            duration_ms: row.get(3)?,
            error: row.get(5)?,
            ..CallDelta::default()
        };
        metrics.add(Timestamp::from_nanos(row.get(0)?), CallKind::Mcp, tool, delta);
    }
    metrics.write(connection)
}

/// The tool an MCP event called, if it called one.
pub(super) fn tool_key(method: &str, resource: Option<&str>, server: &str) -> Option<ToolKey> {
    let name = resource.filter(|_| method == super::sessions::CALL)?;
    Some(ToolKey { kind: CallKind::Mcp, owner: server.to_owned(), name: name.to_owned() })
}
