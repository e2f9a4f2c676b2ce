//! The traces, and a trace's page: a waterfall of its spans, its errors and its logs.

use axum::extract::State;
use maud::{Markup, html};

use super::frame::{Area, page};
use super::operation::icon;
use super::parts::{
    MESSAGE_CHARS, NAME_CHARS, amount, clock, count, duration, encode, errors, level, moment, money, or_dash, outside,
    pager, raw_item, stamp, trace_link,
};
use super::waterfall::waterfall;
use super::{Answer, html as answer};
use crate::http::api::{Asked, Named, PageQuery, named_trace};
use crate::http::{App, Failure};
use crate::store::{LogEntry, Trace, TraceDetail, TraceList};

pub(super) async fn list(State(app): State<App>, asked: Asked<PageQuery>) -> Answer {
    let page_of = asked?.page()?;
    let (list, tally) = app.read(move |store| Ok((store.traces(page_of)?, store.tally()?))).await?;
    let content = html! {
        h1 { "Traces" }
        @if list.traces.is_empty() {
            div #list data-live {
                div.empty {
                    h2 { "No traces yet" }
                    p { "Transactions and spans appear here. MCP events have them with:" }
                    pre.command tabindex="0" { code { "watchpost mcp --enable-tracing -- your-server" } }
                }
            }
        } @else {
            (table(&list))
        }
        (pager("/traces", "before=", list.next, "Older traces"))
    };
    Ok(answer(page(Area::Traces, "Traces", &tally, content)))
}

fn table(list: &TraceList) -> Markup {
    html! {
        div.card.scroll {
            table.stacks {
                caption.hidden { "Traces, the latest first" }
                thead {
                    tr {
                        th scope="col" { "First root span" }
                        th scope="col" { "Operation" }
                        th.number scope="col" { "Spans" }
                        th.number scope="col" { "Model calls" }
                        th.number scope="col" { "Tokens" }
                        th.number scope="col" { "Est. cost" }
                        th.number scope="col" { "Errors" }
                        th.number scope="col" { "Duration" }
                        th scope="col" { "Last seen" }
                    }
                }
                tbody #list data-live="rows" {
                    @for trace in &list.traces { (row(trace)) }
                }
            }
        }
    }
}

fn row(trace: &Trace) -> Markup {
    let id = trace.trace_id;
    html! {
        tr id={ "trace-" (id) } {
            td.main {
                a.row href={ "/traces/" (id) } { strong { (outside(trace.name.as_deref().unwrap_or("(no root span)"), NAME_CHARS)) } }
                div.dim.id { (id) }
            }
            td.op { (icon(trace.op.as_deref())) " " code { (or_dash(trace.op.as_deref())) } }
            td.number data-name="spans" { (count(trace.spans)) }
            td.number data-name="model calls" { @if trace.model_calls > 0 { (count(trace.model_calls)) } @else { span.dim { "–" } } }
            td.number data-name="tokens" { @if trace.tokens > 0 { (amount(trace.tokens as f64)) } @else { span.dim { "–" } } }
            td.number data-name="cost" { (money(trace.cost)) }
            td.number data-name="errors" { (errors(trace.errors)) }
            td.number data-name="took" { (duration(Some(trace.duration_ms))) }
            td data-name="last" { (moment(trace.last_seen, true)) }
        }
    }
}

pub(super) async fn show(State(app): State<App>, id: Named<String>) -> Answer {
    let id = named_trace(id)?;
    let (detail, tally) = app.read(move |store| Ok((store.trace(id)?, store.tally()?))).await?;
    let detail = detail.ok_or(Failure::NotFound("There is no such trace, or no more: the oldest are pruned."))?;
    let name = detail.trace.name.clone().unwrap_or_else(|| "Trace".to_owned());
    let content = html! {
        nav.crumbs aria-label="Where you are" { a href="/traces" { "Traces" } }
        h1 { (outside(&name, 200)) }
        (summary(&detail.trace))
        @if !detail.spans.is_empty() { (waterfall(&detail)) }
        (failures(&detail))
        (logs(&detail))
    };
    Ok(answer(page(Area::Traces, &name, &tally, content)))
}

fn summary(trace: &Trace) -> Markup {
    html! {
        dl #summary.facts data-live {
            div { dt { "Trace" } dd.id { (trace.trace_id) } }
            @if let Some(session) = &trace.session {
                div { dt { "Session" } dd { a.id href={ "/sessions/" (encode(session)) } { (outside(session, 60)) } } }
            }
            div { dt { "Began" } dd { (moment(trace.first_seen, false)) } }
            div { dt { "Duration" } dd { (duration(Some(trace.duration_ms))) } }
            div { dt { "Spans" } dd { (count(trace.spans)) } }
            @if trace.tokens > 0 { div { dt { "Tokens" } dd { (count(trace.tokens)) } } }
            @if trace.cost > 0.0 { div { dt { "Est. cost" } dd { (money(trace.cost)) } } }
            div { dt { "Errors" } dd { (errors(trace.errors)) } }
            div { dt { "To a colleague" } dd { a href={ "/api/traces/" (trace.trace_id) "/export" } download { "Export as a file" } } }
        }
    }
}

fn failures(detail: &TraceDetail) -> Markup {
    html! {
        @if !detail.errors.is_empty() {
            h2 { "Errors" }
            div.card.scroll {
                table {
                    tbody #errors data-live="rows" {
                        @for error in &detail.errors {
                            tr id={ "error-" (error.item) } {
                                td.time { (clock(error.timestamp)) }
                                td { a.row href={ "/issues/" (error.issue) } { (outside(&error.message, MESSAGE_CHARS)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn logs(detail: &TraceDetail) -> Markup {
    html! {
        @if !detail.logs.is_empty() {
            h2 { "Logs" }
            section.card {
                ol #logs.events data-live="rows" {
                    @for log in &detail.logs { (log_row(log, false)) }
                }
            }
        }
    }
}

/// A log that opens to its JSON; with its day and its trace where logs of many traces are listed.
pub(super) fn log_row(log: &LogEntry, with_trace: bool) -> Markup {
    html! {
        li id={ "log-" (log.item) } {
            details {
                summary.log {
                    span.time { @if with_trace { (stamp(log.timestamp)) } @else { (clock(log.timestamp)) } }
                    span.state { (level(log.level)) }
                    span.body { (outside(&log.body, MESSAGE_CHARS)) }
                }
                div.inside {
                    @if with_trace && let Some(trace) = log.trace_id {
                        dl.facts { div { dt { "Trace" } dd { (trace_link(trace)) } } }
                    }
                    (raw_item("Log", log.item))
                }
            }
        }
    }
}
