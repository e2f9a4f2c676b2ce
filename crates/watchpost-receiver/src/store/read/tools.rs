//! Tools and models: calls, failures, durations, sizes, from the kept sums.

use rusqlite::{Row, params};
use serde::Serialize;
use watchpost_sentry::wire::Timestamp;

use super::{rfc3339, timestamp};
use crate::error::StoreError;
use crate::store::{Histogram, Store};

/// Tools and models given at most.
const MAX_TOOLS: u32 = 500;

/// Bars of a latency distribution.
const COLUMNS: usize = 12;

/// How tools are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolOrder {
    /// Most calls first.
    #[default]
    Calls,
    /// Highest share of failures first.
    ErrorRate,
    /// Most time spent first.
    Slowest,
    /// By name.
    Name,
}

impl ToolOrder {
    /// Every order with its name in an address.
    pub const ALL: [(Self, &'static str); 4] =
        [(Self::Calls, "calls"), (Self::ErrorRate, "errors"), (Self::Slowest, "slowest"), (Self::Name, "name")];

    /// The order with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(order, known)| (known == name).then_some(order))
    }
}

/// A tool of an MCP server or of an agent, or a model of a provider.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Tool {
    /// `mcp` for a tool of an MCP server, `tool` for an agent's, `model` for a model.
    pub kind: String,
    /// The server, agent or provider; empty when it was not said.
    pub owner: String,
    /// Its name.
    pub name: String,
    /// Calls.
    pub calls: u64,
    /// Calls that failed.
    pub errors: u64,
    /// The median duration in milliseconds.
    pub p50_ms: Option<f64>,
    /// The duration that 95 of 100 do not exceed, in milliseconds.
    pub p95_ms: Option<f64>,
    /// The longest duration in milliseconds.
    pub longest_ms: f64,
    /// How durations are distributed, from the shortest to the longest, at most 12 shares of the largest.
    pub distribution: Vec<f64>,
    /// Bytes of an average request, if told.
    pub request_bytes: Option<u64>,
    /// Bytes of an average response, if told.
    pub response_bytes: Option<u64>,
    /// Tokens sent, for models.
    pub input_tokens: u64,
    /// Tokens written, for models.
    pub output_tokens: u64,
    /// US dollars: as sent, else by list price.
    pub cost: f64,
    /// When it was first called.
    #[serde(serialize_with = "rfc3339")]
    pub first_seen: Timestamp,
    /// When it was last called.
    #[serde(serialize_with = "rfc3339")]
    pub last_seen: Timestamp,
    /// What went wrong last.
    pub last_error: Option<String>,
}

impl Store {
    /// The tools and models, at most 500.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn tools(&self, order: ToolOrder) -> Result<Vec<Tool>, StoreError> {
        let column = match order {
            ToolOrder::Calls => "calls DESC",
            ToolOrder::ErrorRate => "CAST(errors AS REAL) / max(calls, 1) DESC, errors DESC",
            ToolOrder::Slowest => "longest_ms DESC",
            ToolOrder::Name => "name",
        };
        self.read(|connection| {
            connection
                .prepare_cached(&format!("SELECT * FROM tools ORDER BY {column}, name, owner LIMIT ?1"))?
                .query_map(params![MAX_TOOLS], read_tool)?
                .collect()
        })
    }
}

pub(super) fn read_tool(row: &Row<'_>) -> rusqlite::Result<Tool> {
    let latencies = Histogram::decode(row.get_ref("latencies")?.as_blob()?);
    let sized: u64 = row.get("sized")?;
    let longest: f64 = row.get("longest_ms")?;
    let average = |column| -> rusqlite::Result<Option<u64>> {
        let sum: u64 = row.get(column)?;
        Ok(sum.checked_div(sized))
    };
    Ok(Tool {
        kind: row.get("kind")?,
        owner: row.get("owner")?,
        name: row.get("name")?,
        calls: row.get("calls")?,
        errors: row.get("errors")?,
        p50_ms: latencies.quantile(0.5).map(|millis| millis.min(longest)),
        p95_ms: latencies.quantile(0.95).map(|millis| millis.min(longest)),
        longest_ms: longest,
        distribution: latencies.shape(COLUMNS),
        request_bytes: average("request_bytes")?,
        response_bytes: average("response_bytes")?,
        input_tokens: row.get("input_tokens")?,
        output_tokens: row.get("output_tokens")?,
        cost: row.get("cost")?,
        first_seen: timestamp(row, "first_seen")?,
        last_seen: timestamp(row, "last_seen")?,
        last_error: row.get("last_error")?,
    })
}
