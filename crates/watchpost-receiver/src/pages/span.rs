//! A span's page, which is also the panel that a waterfall opens: what was said and called, tokens, cost, times, and its
//! attributes with the convention each belongs to.

use axum::extract::State;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::attribute::{self, plain};
use super::conversation::conversation;
use super::frame::{Area, page};
use super::operation::icon;
use super::parts::{NAME_CHARS, count, duration, money, or_dash, outside, outside_lines, raw_item, status, trace_link};
use super::{Answer, html as answer};
use crate::http::api::{Named, named};
use crate::http::{App, Failure};
use crate::ingest::call::{CACHED_TOKENS, COST, INPUT_TOKENS, OUTPUT_TOKENS, REASONING_TOKENS};
use crate::store::SpanEntry;

/// Characters shown of a tool's arguments or result.
const CONTENT_CHARS: usize = 20_000;

const ARGUMENTS: &[&str] = &["gen_ai.tool.call.arguments", "gen_ai.tool.input", "watchpost.request.params", "input"];
const RESULT: &[&str] = &[
    "gen_ai.tool.call.result",
    "gen_ai.tool.output",
    "mcp.tool.result.content",
    "watchpost.response.result",
    "output",
];
const MODEL: &[&str] = &["gen_ai.response.model", "gen_ai.request.model"];
const PROVIDER: &[&str] = &["gen_ai.provider.name", "gen_ai.system"];
const FIRST_TOKEN: &[&str] = &["gen_ai.response.time_to_first_chunk", "gen_ai.response.time_to_first_token"];

pub(super) async fn show(State(app): State<App>, names: Named<(String, String)>) -> Answer {
    let missing = || Failure::NotFound("There is no such span, or no more: the oldest are pruned.");
    let (_, span) = named(names)?;
    let (item, position) = span.split_once('-').ok_or_else(missing)?;
    let (item, position): (i64, i64) = (item.parse().map_err(|_| missing())?, position.parse().map_err(|_| missing())?);
    let read = app.read(move |store| Ok((store.span(item, position)?, store.item(item)?, store.tally()?)));
    let (entry, raw, tally) = read.await?;
    let (Some((trace, entry)), Some(raw)) = (entry, raw) else { return Err(missing().into()) };
    let payload: Value = serde_json::from_slice(&raw.payload).unwrap_or_default();
    let attributes = attributes(&payload, position);
    let name = if entry.name.is_empty() { "(no name)" } else { &entry.name };
    let content = html! {
        nav.crumbs aria-label="Where you are" { a href="/traces" { "Traces" } " › " (trace_link(trace)) }
        h1 { (icon(entry.op.as_deref())) " " (outside(name, 200)) }
        div #panel.panel {
            (facts(&entry, &attributes))
            @if let Some(conversation) = conversation(&attributes) { h2 { "Conversation" } (conversation) }
            @for (heading, names) in [("Arguments", ARGUMENTS), ("Result", RESULT)] {
                @if let Some(value) = find(&attributes, names) { h2 { (heading) } pre.content tabindex="0" { (outside_lines(&pretty(value), CONTENT_CHARS)) } }
            }
            @if !attributes.is_empty() {
                details.more open[attributes.len() <= 12] { summary { "Attributes " span.dim { (count(attributes.len() as u64)) } } (attribute::table(&attributes)) }
            }
            details.more { summary { (if position > 0 { "The transaction it came in" } else { "What Sentry received" }) } (raw_item("JSON", item)) }
            p.dim { a href={ "/traces/" (trace) "/spans/" (item) "-" (position) } { "Link to this span" } }
        }
    };
    Ok(answer(page(Area::Traces, name, &tally, content)))
}

/// The attributes of the span at `position` of a payload: of a transaction its trace context's data or a child's, of a v2 span
/// its own.
fn attributes(payload: &Value, position: i64) -> Map<String, Value> {
    let child = usize::try_from(position).ok().and_then(|at| at.checked_sub(1));
    let found = match child {
        // Children without ids are not kept as rows; the others stand in their order.
        Some(at) => {
            let children = payload["spans"].as_array().into_iter().flatten();
            let kept = children.filter(|span| span["span_id"].as_str().is_some_and(|id| id.len() == 16));
            kept.clone().nth(at).map(|span| &span["data"])
        }
        None if payload["contexts"]["trace"].is_object() => Some(&payload["contexts"]["trace"]["data"]),
        None => Some(if payload["attributes"].is_object() { &payload["attributes"] } else { &payload["data"] }),
    };
    found.and_then(Value::as_object).cloned().unwrap_or_default()
}

fn find<'a>(attributes: &'a Map<String, Value>, names: &[&str]) -> Option<&'a Value> {
    names.iter().find_map(|name| attributes.get(*name)).map(plain).filter(|value| !value.is_null())
}

fn number(attributes: &Map<String, Value>, names: &[&str]) -> Option<f64> {
    let value = find(attributes, names)?;
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

fn facts(span: &SpanEntry, attributes: &Map<String, Value>) -> Markup {
    let text = |names: &[&str]| find(attributes, names).and_then(Value::as_str);
    let tokens = |names: &[&str]| number(attributes, names).map(|number| number as u64);
    let (input, output) = (tokens(INPUT_TOKENS), tokens(OUTPUT_TOKENS));
    html! {
        dl.facts {
            div { dt { "Operation" } dd { code { (or_dash(span.op.as_deref())) } } }
            div { dt { "Status" } dd { (status(span.status.as_deref(), span.is_error)) } }
            div { dt { "Duration" } dd { (duration(Some(span.duration_ms))) } }
            @if let Some(seconds) = number(attributes, FIRST_TOKEN) { div { dt { "First token after" } dd { (duration(Some(seconds * 1000.0))) } } }
            @if let Some(model) = text(MODEL) { div { dt { "Model" } dd { (outside(model, NAME_CHARS)) } } }
            @if let Some(provider) = text(PROVIDER) { div { dt { "Provider" } dd { (outside(provider, NAME_CHARS)) } } }
            @if let Some(agent) = text(&["gen_ai.agent.name"]) { div { dt { "Agent" } dd { (outside(agent, NAME_CHARS)) } } }
            @if let Some(input) = input {
                div { dt { "Tokens in" } dd { (count(input)) @if let Some(cached) = tokens(CACHED_TOKENS) { span.dim { ", " (count(cached)) " cached" } } } }
            }
            @if let Some(output) = output {
                div { dt { "Tokens out" } dd { (count(output)) @if let Some(thought) = tokens(REASONING_TOKENS) { span.dim { ", " (count(thought)) " reasoning" } } } }
            }
            @if let Some(cost) = number(attributes, COST).or(span.cost).filter(|cost| *cost > 0.0) { div { dt { "Est. cost" } dd { (money(cost)) } } }
            @if let Some(id) = span.span_id { div { dt { "Span" } dd.id { (id) } } }
            @if let Some(parent) = span.parent_span_id { div { dt { "Parent" } dd.id { (parent) } } }
        }
    }
}

/// JSON indented, also when it was sent as text.
fn pretty(value: &Value) -> String {
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            Ok(inner @ (Value::Array(_) | Value::Object(_))) => {
                serde_json::to_string_pretty(&inner).unwrap_or_default()
            }
            _ => text.clone(),
        },
        other => serde_json::to_string_pretty(other).unwrap_or_default(),
    }
}
