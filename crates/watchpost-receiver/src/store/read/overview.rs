//! Calls over time from the kept sums, and who sends.

use rusqlite::params;
use serde::Serialize;
use watchpost_sentry::wire::Timestamp;

use super::{Issue, Tool, rfc3339, timestamp};
use crate::error::StoreError;
use crate::store::metrics::STEPS;
use crate::store::read::issues::read_issue;
use crate::store::read::tools::read_tool;
use crate::store::{CallKind, Histogram, Store};

/// Stretches of a chart.
const STRETCHES: i64 = 60;

/// Tools and issues listed.
const TOP: u32 = 5;

/// Senders listed.
const MAX_SOURCES: u32 = 50;

/// The range of time of an overview.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Range {
    /// The last hour, by minutes.
    Hour,
    /// The last day, by 24 minutes.
    #[default]
    Day,
    /// The last week, by 3 hours.
    Week,
    /// The last 60 days.
    Months,
}

impl Range {
    /// Every range.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Months];

    /// Its name in an address.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Months => "60d",
        }
    }

    /// The range with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|range| range.name() == name)
    }

    /// Its length in seconds.
    fn seconds(self) -> i64 {
        match self {
            Self::Hour => 3600,
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
            Self::Months => 60 * 86_400,
        }
    }
}

/// Calls of one kind, summed up.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Calls {
    /// How many.
    pub calls: u64,
    /// How many of them failed.
    pub errors: u64,
    /// The median duration in milliseconds.
    pub p50_ms: Option<f64>,
    /// The duration that 95 of 100 do not exceed, in milliseconds.
    pub p95_ms: Option<f64>,
    /// Tokens sent to models.
    pub input_tokens: u64,
    /// Tokens that models wrote.
    pub output_tokens: u64,
    /// US dollars: as sent, else by list price.
    pub cost: f64,
    #[serde(skip)]
    latencies: Histogram,
}

/// A stretch of time of an overview.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Stretch {
    /// When it begins.
    #[serde(serialize_with = "rfc3339")]
    pub began: Timestamp,
    /// MCP requests and notifications.
    pub mcp: Calls,
    /// Calls of models.
    pub model: Calls,
    /// Tools that agents ran.
    pub tool: Calls,
}

/// Who sends.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Source {
    /// The SDK's name; empty when it was not said.
    pub sdk: String,
    /// Its version.
    pub version: String,
    /// The project it sends to.
    pub project: String,
    /// Items received.
    pub items: u64,
    /// When the first arrived.
    #[serde(serialize_with = "rfc3339")]
    pub first_seen: Timestamp,
    /// When the last arrived.
    #[serde(serialize_with = "rfc3339")]
    pub last_seen: Timestamp,
}

/// What happened in a range of time. The sums count all that arrived, also what was pruned since.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Overview {
    /// The range's end.
    #[serde(serialize_with = "rfc3339")]
    pub until: Timestamp,
    /// Seconds of each stretch.
    pub step_seconds: u32,
    /// MCP requests and notifications in all.
    pub mcp: Calls,
    /// Calls of models in all.
    pub model: Calls,
    /// Tools that agents ran in all.
    pub tool: Calls,
    /// The stretches, the first first; 60 of them, empty ones included.
    pub stretches: Vec<Stretch>,
    /// The tools called most, of all time.
    pub top_tools: Vec<Tool>,
    /// The issues with most events, of those seen in the range.
    pub top_issues: Vec<Issue>,
    /// Who sent, the latest first.
    pub sources: Vec<Source>,
}

impl Calls {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cost += other.cost;
        self.latencies.merge(&other.latencies);
    }

    fn finish(&mut self) {
        self.p50_ms = self.latencies.quantile(0.5);
        self.p95_ms = self.latencies.quantile(0.95);
    }
}

impl Stretch {
    fn new(seconds: i64) -> Self {
        let began = Timestamp::from_nanos(seconds.saturating_mul(1_000_000_000));
        Self { began, mcp: Calls::default(), model: Calls::default(), tool: Calls::default() }
    }

    fn of(&mut self, kind: &str) -> Option<&mut Calls> {
        [(CallKind::Mcp, &mut self.mcp), (CallKind::Model, &mut self.model), (CallKind::Tool, &mut self.tool)]
            .into_iter()
            .find_map(|(known, calls)| (known.name() == kind).then_some(calls))
    }
}

impl Store {
    /// What happened in the `range` of time until `until`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn overview(&self, range: Range, until: Timestamp) -> Result<Overview, StoreError> {
        let width = range.seconds() / STRETCHES;
        // Whole stretches, the last of them the one that is going on.
        let end = (until.nanos().div_euclid(1_000_000_000)).div_euclid(width).saturating_add(1).saturating_mul(width);
        let begin = end - width * STRETCHES;
        let step = STEPS.into_iter().filter(|step| width % step == 0).max().unwrap_or(60);
        self.read(|connection| {
            let mut stretches: Vec<Stretch> = (0..STRETCHES).map(|at| Stretch::new(begin + at * width)).collect();
            let mut statement =
                connection.prepare_cached("SELECT * FROM metrics WHERE step = ?1 AND at >= ?2 AND at < ?3")?;
            let mut rows = statement.query(params![step, begin, end])?;
            while let Some(row) = rows.next()? {
                let at = usize::try_from((row.get::<_, i64>("at")? - begin) / width).unwrap_or(usize::MAX);
                let found = Calls {
                    calls: row.get("calls")?,
                    errors: row.get("errors")?,
                    input_tokens: row.get("input_tokens")?,
                    output_tokens: row.get("output_tokens")?,
                    cost: row.get("cost")?,
                    latencies: Histogram::decode(row.get_ref("latencies")?.as_blob()?),
                    ..Calls::default()
                };
                if let Some(sum) = stretches.get_mut(at).and_then(|stretch| stretch.of(row.get_ref("kind").ok()?.as_str().ok()?)) {
                    sum.add(&found);
                }
            }
            let mut all = Stretch::new(begin);
            for stretch in &mut stretches {
                for (sum, calls) in [
                    (&mut all.mcp, &mut stretch.mcp),
                    (&mut all.model, &mut stretch.model),
                    (&mut all.tool, &mut stretch.tool),
                ] {
                    sum.add(calls);
                    calls.finish();
                }
            }
            [&mut all.mcp, &mut all.model, &mut all.tool].into_iter().for_each(Calls::finish);
            let top_tools = connection
                .prepare_cached("SELECT * FROM tools WHERE kind <> 'model' ORDER BY calls DESC, name LIMIT ?1")?
                .query_map([TOP], read_tool)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let top_issues = connection
                .prepare_cached("SELECT * FROM issues INDEXED BY issues_by_count WHERE last_seen >= ?1 ORDER BY count DESC LIMIT ?2")?
                .query_map(params![begin.saturating_mul(1_000_000_000), TOP], read_issue)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let sources = connection
                .prepare_cached("SELECT * FROM sources ORDER BY last_seen DESC LIMIT ?1")?
                .query_map([MAX_SOURCES], |row| {
                    Ok(Source {
                        sdk: row.get("sdk")?,
                        version: row.get("version")?,
                        project: row.get("project")?,
                        items: row.get("items")?,
                        first_seen: timestamp(row, "first_seen")?,
                        last_seen: timestamp(row, "last_seen")?,
                    })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(Overview {
                until,
                step_seconds: u32::try_from(width).unwrap_or(u32::MAX),
                mcp: all.mcp,
                model: all.model,
                tool: all.tool,
                stretches,
                top_tools,
                top_issues,
                sources,
            })
        })
    }
}
