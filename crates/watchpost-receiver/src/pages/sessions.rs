//! The first page: MCP sessions with totals. And a session's page: its events in time order, each with what Sentry received.

use std::net::SocketAddr;

use axum::extract::State;
use maud::{Markup, html};

use super::frame::{Area, page};
use super::parts::{
    MESSAGE_CHARS, NAME_CHARS, clock, count, duration, encode, errors, moment, or_dash, outside, outside_lines, pager,
    raw_item, span_code, status, tile, trace_link,
};
use super::{Answer, html as answer};
use crate::http::api::{Asked, Named, PageQuery, named};
use crate::http::{App, Failure};
use crate::store::{Party, Session, SessionDetail, SessionEvent, SessionList, Stats};

/// Traces linked from a session's page.
const LINKED_TRACES: usize = 5;

pub(super) async fn list(State(app): State<App>, asked: Asked<PageQuery>) -> Answer {
    let page_of = asked?.page()?;
    let (list, stats) = app.read(move |store| Ok((store.sessions(page_of)?, store.stats()?))).await?;
    let content = html! {
        h1.hidden { "MCP sessions" }
        (totals(&stats))
        @if list.sessions.is_empty() && stats.sessions == 0 {
            div #list data-live { (empty(app.address(), &stats)) }
        } @else {
            (table(&list))
        }
        (pager("/", "before=", list.next, "Older sessions"))
    };
    Ok(answer(page(Area::Sessions, "Sessions", &stats, content)))
}

fn totals(stats: &Stats) -> Markup {
    html! {
        dl #totals.tiles data-live {
            (tile("Sessions", &html! { (count(stats.sessions)) }, false))
            (tile("MCP events", &html! { (count(stats.events)) }, false))
            (tile("Failed", &html! { (count(stats.failed_events)) }, stats.failed_events > 0))
            (tile("Issues", &html! { a href="/issues" { (count(stats.issues)) } }, stats.issues > 0))
            (tile("Traces", &html! { a href="/traces" { (count(stats.traces)) } }, false))
        }
    }
}

fn table(list: &SessionList) -> Markup {
    html! {
        div.card.scroll {
            table {
                caption.hidden { "MCP sessions, the latest first" }
                thead {
                    tr {
                        th scope="col" { "Client → server" }
                        th scope="col" { "Actor" }
                        th.number scope="col" { "Events" }
                        th.number scope="col" { "Tool calls" }
                        th.number scope="col" { "Failed" }
                        th scope="col" { "Last seen" }
                    }
                }
                tbody #list data-live="rows" {
                    @for session in &list.sessions { (row(session)) }
                }
            }
        }
    }
}

fn row(session: &Session) -> Markup {
    html! {
        tr id={ "session-" (encode(&session.id)) } {
            td {
                a.row href={ "/sessions/" (encode(&session.id)) } { (parties(session)) }
                div.dim.id { (outside(&session.id, 48)) }
            }
            td { (actor(session)) }
            td.number { (count(session.events)) }
            td.number { (count(session.calls)) }
            td.number { (errors(session.errors)) }
            td { (moment(session.last_seen, true)) }
        }
    }
}

fn parties(session: &Session) -> Markup {
    let party = |party: &Party, unknown: &str| {
        html! {
            @match &party.name {
                Some(name) => strong { (outside(name, NAME_CHARS)) },
                None => span.dim { (unknown) },
            }
            @if let Some(version) = &party.version { " " span.version { (outside(version, 24)) } }
        }
    };
    html! {
        (party(&session.client, "unknown client"))
        span.arrow { " → " }
        (party(&session.server, "unknown server"))
    }
}

fn actor(session: &Session) -> Markup {
    match (&session.actor.name, &session.actor.id) {
        (Some(name), Some(id)) if name != id => {
            html! { (outside(name, NAME_CHARS)) " " span.dim { (outside(id, NAME_CHARS)) } }
        }
        (name, id) => or_dash(name.as_deref().or(id.as_deref())),
    }
}

fn empty(address: SocketAddr, stats: &Stats) -> Markup {
    let received: u64 = stats.items.iter().map(|item| item.received).sum();
    html! {
        div.empty {
            h2 { "Waiting for the first MCP session" }
            @if received > 0 {
                p {
                    "Other things have arrived: see " a href="/traces" { "traces" } ", " a href="/issues" { "issues" }
                    " and " a href="/logs" { "logs" } "."
                }
            }
            p { "Put Watchpost in front of an MCP server; with no DSN set it finds this receiver by itself:" }
            pre.command tabindex="0" { code { "watchpost mcp -- npx -y @modelcontextprotocol/server-everything" } }
            p { "Or point any Sentry SDK here:" }
            pre.command tabindex="0" { code { "SENTRY_DSN=http://watchpost@" (address) "/1" } }
            pre.command tabindex="0" { code { "SENTRY_SPOTLIGHT=http://" (address) "/stream" } }
            p.dim { "This page fills itself as things arrive." }
        }
    }
}

pub(super) async fn show(State(app): State<App>, id: Named<String>, asked: Asked<PageQuery>) -> Answer {
    let (id, page_of) = (named(id)?, asked?.page()?);
    let (detail, stats) = app.read(move |store| Ok((store.session(&id, page_of)?, store.stats()?))).await?;
    let detail = detail.ok_or(Failure::NotFound("There is no such session, or no more: the oldest are pruned."))?;
    let session = &detail.session;
    let name = |party: &Party| party.name.clone().unwrap_or_else(|| "unknown".to_owned());
    let title = format!("{} → {}", name(&session.client), name(&session.server));
    let path = format!("/sessions/{}", encode(&session.id));
    let content = html! {
        nav.crumbs aria-label="Where you are" { a href="/" { "Sessions" } }
        h1 { (parties(session)) }
        (summary(&detail))
        (events(&detail))
        (pager(&path, "after=", detail.next, "Later events"))
    };
    Ok(answer(page(Area::Sessions, &title, &stats, content)))
}

fn summary(detail: &SessionDetail) -> Markup {
    let session = &detail.session;
    let lasted = session.last_seen.duration_since(session.first_seen).as_secs_f64() * 1000.0;
    html! {
        dl #summary.facts data-live {
            div { dt { "Session" } dd.id { (outside(&session.id, 200)) } }
            div { dt { "Actor" } dd { (actor(session)) } }
            div { dt { "Began" } dd { (moment(session.first_seen, false)) } }
            div { dt { "Lasted" } dd { (duration(Some(lasted))) } }
            div { dt { "Events" } dd { (count(session.events)) ", " (count(session.calls)) " tool calls" } }
            div { dt { "Failed" } dd { (errors(session.errors)) } }
            div {
                dt { "Trace" }
                dd {
                    @for trace in detail.trace_ids.iter().take(LINKED_TRACES) { (trace_link(*trace)) " " }
                    @if detail.trace_ids.len() > LINKED_TRACES { "…" }
                }
            }
        }
    }
}

fn events(detail: &SessionDetail) -> Markup {
    let longest = detail.events.iter().filter_map(|event| event.duration_ms).fold(0.0, f64::max);
    html! {
        section.card aria-label="Events" {
            div.event.columns aria-hidden="true" {
                span { "Time" } span { "Method" } span { "Resource" } span.number { "Duration" } span {} span { "Status" }
            }
            ol #list.events data-live="rows" {
                @for event in &detail.events { (event_row(event, longest)) }
            }
        }
    }
}

fn event_row(event: &SessionEvent, longest: f64) -> Markup {
    let items =
        [("Log", event.items.log), ("Transaction", event.items.transaction), ("Error event", event.items.error)];
    html! {
        li id={ "event-" (event.id) } {
            details {
                summary.event {
                    span.time { (clock(event.timestamp)) }
                    span.method { code { (outside(&event.method, NAME_CHARS)) } }
                    span.resource { @if let Some(resource) = &event.resource { (outside(resource, NAME_CHARS)) } }
                    span.number { (duration(event.duration_ms)) }
                    span.bar { (bar(event.duration_ms, longest, event.is_error)) }
                    span.state { (status(event.status.as_deref(), event.is_error)) }
                    @if let Some(error) = &event.error { span.message { (outside(error, MESSAGE_CHARS)) } }
                }
                div.inside {
                    dl.facts {
                        @if let Some(intent) = &event.user_intent {
                            div.wide { dt { "User intent" } dd.lines { (outside_lines(intent, 2000)) } }
                        }
                        @if let Some(trace) = event.trace_id { div { dt { "Trace" } dd { (trace_link(trace)) } } }
                        @if let Some(span) = event.span_id { div { dt { "Span" } dd { (span_code(span)) } } }
                    }
                    h2 { "What Sentry received" }
                    @for (name, item) in items {
                        @if let Some(item) = item { (raw_item(name, item)) }
                    }
                }
            }
        }
    }
}

/// A duration beside the longest of its page, as a bar.
fn bar(millis: Option<f64>, longest: f64, is_error: bool) -> Markup {
    let share = match millis {
        Some(millis) if longest > 0.0 => (millis / longest * 100.0).clamp(0.5, 100.0),
        _ => 0.0,
    };
    html! {
        svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
            rect.bad[is_error] width=(format!("{share:.1}")) height="4" rx="1" {}
        }
    }
}
