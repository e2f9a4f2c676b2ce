//! Beside Mastra's own exporter, in the same run: every difference between what the two sent is computed, and must be a row of
//! the table in `docs/mastra.md`; a row that no longer is a difference must go.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::{
    known::{Forest, Known},
    sent::{self, Carrier, Sent},
};
use crate::interop::{capture::Capture, findings::Findings};

const DOCUMENT: &str = include_str!("../../../../docs/mastra.md");
const HEADING: &str = "## Beside Mastra's own exporter";
/// The cell of a side that has nothing.
const ABSENT: &str = "–";

/// Who has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    Mastra,
    Watchpost,
    Both,
}

/// Every difference by its name, with the first place where it was met.
#[derive(Default)]
struct Differences {
    found: BTreeMap<String, (BTreeSet<Side>, String)>,
}

/// Compares, and returns the differences, a line each.
pub(super) fn check(forest: &Forest, ours: &Capture, theirs: &Capture, findings: &mut Findings) -> Vec<String> {
    let differences = differences(forest, ours, theirs);
    let documented = documented();
    for (name, (sides, place)) in &differences.found {
        let Some(row) = documented.iter().find(|row| row.covers(name)) else {
            findings
                .add_at(format!("a difference that docs/mastra.md does not have: {name} ({sides:?})"), place.clone());
            continue;
        };
        let fits = |absent: bool, other: Side| !absent || sides.iter().all(|side| *side == other);
        if !fits(row.mastra_absent, Side::Watchpost) || !fits(row.watchpost_absent, Side::Mastra) {
            findings.add_at(format!("docs/mastra.md has {name} on one side only, but it is {sides:?}"), place.clone());
        }
    }
    for name in documented.iter().flat_map(|row| &row.names) {
        // The first row that covers a difference is its row.
        let is_its = |found: &String| documented.iter().flat_map(|row| &row.names).find(|name| covers(name, found));
        if !differences.found.keys().any(|found| is_its(found) == Some(name)) {
            findings.add(format!("docs/mastra.md has {name}, but there is no such difference"));
        }
    }
    differences.found.iter().map(|(name, (sides, place))| format!("{name} {sides:?} [{place}]")).collect()
}

fn differences(forest: &Forest, ours: &Capture, theirs: &Capture) -> Differences {
    let mut differences = Differences::default();
    let (our_spans, mut their_spans) = (sent::spans(ours), sent::spans(theirs));
    let mut pairs: Vec<(&Known, &Sent, Sent)> = Vec::new();
    for known in forest.all() {
        let our = our_spans.iter().find(|span| span.trace == known.trace() && span.id == known.id());
        let their = their_spans.iter().position(|span| is_of(known, span)).map(|at| their_spans.remove(at));
        match (our, their) {
            (Some(our), Some(their)) => pairs.push((known, our, their)),
            (Some(_), None) => differences.add(known.ty(), Side::Watchpost, known),
            (None, Some(_)) => differences.add(known.ty(), Side::Mastra, known),
            (None, None) => {}
        }
    }
    let their_ids: HashMap<&str, &str> =
        pairs.iter().map(|(known, _, their)| (known.id(), their.id.as_str())).collect();
    for (known, our, their) in &pairs {
        differences.compare("trace_id", our.trace == their.trace, known);
        differences.compare("span_id", our.id == their.id, known);
        let parent = our.parent.as_deref().and_then(|parent| their_ids.get(parent).copied());
        differences.compare("parent_span_id", parent == their.parent.as_deref(), known);
        differences.compare("name", our.name == their.name, known);
        differences.compare("op", our.op == their.op, known);
        differences.compare("status", our.status == their.status, known);
        let names: BTreeSet<&String> = our.data.keys().chain(their.data.keys()).collect();
        for name in names {
            match (our.data.get(name), their.data.get(name)) {
                (Some(our), Some(their)) => differences.compare(name, same(our, their), known),
                (Some(_), None) => differences.add(name, Side::Watchpost, known),
                (None, _) => differences.add(name, Side::Mastra, known),
            }
        }
    }
    for (known, our, their) in pairs.iter().filter(|(_, our, _)| our.carrier == Carrier::Transaction) {
        let transaction = |capture: &Capture, span: &Sent| {
            capture.payloads("transaction").find(|held| held["contexts"]["trace"]["span_id"] == *span.id).cloned()
        };
        let (our, their) = (transaction(ours, our).unwrap_or_default(), transaction(theirs, their).unwrap_or_default());
        differences.members("transaction", &our, &their, known);
        differences.members("contexts", &our["contexts"], &their["contexts"], known);
    }
    issues(forest, &their_ids, ours, theirs, &mut differences);
    differences
}

/// Theirs have ids of their own; type, moments and run tell whose they are.
fn is_of(known: &Known, span: &Sent) -> bool {
    let is = |name: &str, found: f64| known.moment(name).is_some_and(|moment| (moment - found).abs() < 1e-6);
    span.attribute("ai.span.type") == known.ty()
        && is("startTime", span.start)
        && is("endTime", span.end)
        && span.attribute("metadata.runId") == &known.get("metadata")["runId"]
}

fn issues(
    forest: &Forest,
    their_ids: &HashMap<&str, &str>,
    ours: &Capture,
    theirs: &Capture,
    differences: &mut Differences,
) {
    let count = |capture: &Capture| capture.payloads("event").count();
    let failures = forest.failures();
    let Some(first) = failures.first() else { return };
    differences.compare("issues", count(ours) == count(theirs), first);
    for failure in failures {
        let by_span = |capture: &Capture, id: &str| {
            capture.payloads("event").find(|event| event["contexts"]["trace"]["span_id"] == id).cloned()
        };
        let is_linked = their_ids.get(failure.id()).is_some_and(|id| by_span(theirs, id).is_some());
        differences.compare("issue.trace", is_linked, failure);
        // Theirs carry the ids of the events, which no span of theirs has.
        let (Some(our), Some(their)) = (by_span(ours, failure.id()), by_span(theirs, failure.id())) else { continue };
        let exception = |event: &Value| event["exception"]["values"][0].clone();
        let (our_exception, their_exception) = (exception(&our), exception(&their));
        for name in ["type", "value", "mechanism", "stacktrace"] {
            differences.compare(&format!("exception.{name}"), our_exception[name] == their_exception[name], failure);
        }
        differences.members("issue", &our, &their, failure);
        differences.members("issue.contexts", &our["contexts"], &their["contexts"], failure);
    }
}

impl Differences {
    fn add(&mut self, name: &str, side: Side, known: &Known) {
        let (sides, _) = self.found.entry(name.to_owned()).or_insert_with(|| (BTreeSet::new(), known.title()));
        sides.insert(side);
    }

    fn compare(&mut self, name: &str, is_same: bool, known: &Known) {
        if !is_same {
            self.add(name, Side::Both, known);
        }
    }

    /// Members that only one of two objects has.
    fn members(&mut self, of: &str, ours: &Value, theirs: &Value, known: &Known) {
        let names = |value: &Value| value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
        let (ours, theirs): (BTreeSet<String>, BTreeSet<String>) = (names(ours), names(theirs));
        ours.difference(&theirs).for_each(|name| self.add(&format!("{of}.{name}"), Side::Watchpost, known));
        theirs.difference(&ours).for_each(|name| self.add(&format!("{of}.{name}"), Side::Mastra, known));
    }
}

/// Whether two attributes are the same, also when one is JSON in a text.
fn same(a: &Value, b: &Value) -> bool {
    let plain = |value: &Value| match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        other => other.clone(),
    };
    match (plain(a), plain(b)) {
        (a, b) if a.is_number() && b.is_number() => a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

/// A row of the table.
struct Row {
    names: Vec<String>,
    mastra_absent: bool,
    watchpost_absent: bool,
}

impl Row {
    fn covers(&self, found: &str) -> bool {
        self.names.iter().any(|name| covers(name, found))
    }
}

/// A star stands for anything: `mastra.*.input`.
fn covers(name: &str, found: &str) -> bool {
    match name.split_once('*') {
        Some((start, end)) => found.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
        None => name == found,
    }
}

fn documented() -> Vec<Row> {
    let section = DOCUMENT.split(HEADING).nth(1).unwrap_or_default().split("\n## ").next().unwrap_or_default();
    section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let names = cells.next().unwrap_or_default().split('`').skip(1).step_by(2).map(str::to_owned).collect();
            let [mastra_absent, watchpost_absent] = [cells.next(), cells.next()].map(|cell| cell == Some(ABSENT));
            Row { names, mastra_absent, watchpost_absent }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_names_something_and_says_why() {
        assert!(!documented().is_empty());
        let section = DOCUMENT.split(HEADING).nth(1).unwrap();
        for line in section.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            assert_eq!(cells.len(), 6, "{line}");
            assert!(cells[1..5].iter().all(|cell| !cell.is_empty()), "{line}");
        }
    }

    #[test]
    fn a_star_covers_anything_in_its_place() {
        assert!(covers("gen_ai.usage.*", "gen_ai.usage.input_tokens"));
        assert!(covers("mastra.*.input", "mastra.agent_run.input"));
        assert!(!covers("mastra.*.input", "mastra.agent_run.output"));
        assert!(!covers("gen_ai.usage", "gen_ai.usage.input_tokens"));
    }
}
