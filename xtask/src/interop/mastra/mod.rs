//! Does what reaches Sentry for a real agent application say what seed 004 says? A Mastra application with a model that answers
//! from a script writes its events down; they are imported in every span mode and held, span by span, against the events
//! themselves. What Mastra's own exporter sent in the same run stands beside it: `docs/mastra.md` has every difference.

mod beside;
mod issues;
mod known;
mod recording;
mod rows;
mod sent;
mod spotlight;

use std::collections::HashMap;

use self::{
    known::{Forest, Known},
    rows::{ROWS, Row},
    sent::{Carrier, Sent},
};
use super::{
    capture::Capture,
    envelopes,
    findings::Findings,
    normaliser,
    peers::KEY,
    rig::Rig,
    sink::{Answer, Sink},
};
use crate::Failure;

pub(super) use self::{recording::Recording, spotlight::check as spotlight};

/// Every way a span may travel.
const MODES: &[&str] = &["transaction", "hybrid", "stream"];
/// What the application must have made happen, so that "nothing wrong" says something.
const TYPES: &[&str] = &[
    "agent_run",
    "model_generation",
    "model_step",
    "model_inference",
    "model_chunk",
    "tool_call",
    "workflow_run",
    "workflow_step",
    "workflow_parallel",
    "workflow_conditional",
    "workflow_conditional_eval",
    "workflow_loop",
    "workflow_sleep",
    "processor_run",
];

pub(super) fn check(rig: &Rig, findings: &mut Findings) -> Result<String, Failure> {
    let recording = rig.mastra()?;
    let forest = &recording.forest;
    for missing in TYPES.iter().filter(|ty| !forest.all().iter().any(|span| span.ty() == **ty)) {
        findings.add(format!("the application made no {missing}"));
    }
    let mut captures = Vec::new();
    for mode in MODES {
        let sink = Sink::start(Answer::Accept)?;
        let summary = recording.import(rig, mode, &sink.dsn(KEY))?;
        findings.expect(summary["exported"] == recording.lines()? && summary["dropped"] == 0, || {
            format!("{mode}: the import says {summary}")
        });
        let capture = Capture::read(sink.requests());
        compare(mode, forest, &capture, findings);
        captures.push((*mode, capture));
    }
    let all = captures.iter().map(|(mode, capture)| (*mode, capture));
    normaliser::normalise(rig, "mastra-normaliser", all, findings)?;
    let differences = beside::check(forest, &captures[0].1, &recording.reference, findings);
    std::fs::write(rig.runs().join("mastra.differences.txt"), differences.join("\n"))?;
    let (spans, failures) = (forest.kept().count(), forest.failures().len());
    Ok(format!(
        "{} rows hold for {spans} spans in {} modes, {failures} failures are as many issues, {} differences to \
         Mastra's own exporter are in docs/mastra.md",
        ROWS.len(),
        MODES.len(),
        differences.len()
    ))
}

fn compare(mode: &str, forest: &Forest, capture: &Capture, findings: &mut Findings) {
    envelopes::check(mode, capture, findings);
    let spans = sent::spans(capture);
    let mut by_id: HashMap<(&str, &str), &Sent> = HashMap::new();
    for span in &spans {
        if by_id.insert((&span.trace, &span.id), span).is_some() {
            findings.add_at("a span was sent twice", format!("{mode}: {}", span.name));
        }
    }
    for known in forest.kept() {
        let place = format!("{mode}: {}", known.title());
        let Some(sent) = by_id.remove(&(known.trace(), known.id())) else {
            findings.add_at("a span did not arrive by its own ids", place);
            continue;
        };
        for what in place_in_the_trace(mode, known, sent, forest) {
            findings.add_at(what, place.clone());
        }
        for Row { types, name, check } in ROWS {
            if types.is_empty() || types.contains(&known.ty()) {
                for wrong in check(known, sent, forest) {
                    findings.add_at(format!("{name}: {wrong}"), place.clone());
                }
            }
        }
    }
    for stray in by_id.into_values() {
        findings.add_at(format!("a span too many: {} ({})", stray.name, stray.op), mode);
    }
    issues::check(mode, forest, &spans, capture, findings);
}

/// Its parent, and that it travels as the mode says.
fn place_in_the_trace(mode: &str, known: &Known, sent: &Sent, forest: &Forest) -> Vec<String> {
    let mut wrong = Vec::new();
    let parent = forest.kept_parent(known);
    if sent.parent.as_deref() != parent.map(Known::id) {
        wrong.push(format!("the parent is {:?} instead of {:?}", sent.parent, parent.map(Known::title)));
    }
    let carrier = match (mode, parent.is_none()) {
        ("stream", _) => Carrier::Container,
        (_, true) => Carrier::Transaction,
        ("hybrid", false) if sent.op.starts_with("gen_ai.") => Carrier::Container,
        _ => Carrier::Child,
    };
    if sent.carrier != carrier {
        wrong.push(format!("it travels as {:?} instead of {carrier:?}", sent.carrier));
    }
    if carrier == Carrier::Container && sent.is_segment != parent.is_none() {
        wrong.push(format!("is_segment is {}", sent.is_segment));
    }
    wrong
}
