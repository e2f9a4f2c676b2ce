//! The MCP sessions. And a session's page, its replay: each message in time order, who sent it, what it was for, when and how
//! long on the session's time line, what went wrong, and what Sentry received for it.

use std::net::SocketAddr;

use axum::extract::State;
use maud::{Markup, html};

use super::frame::{Area, page};
use super::parts::{
    MESSAGE_CHARS, NAME_CHARS, bytes, clock, count, duration, encode, errors, moment, or_dash, outside, outside_lines,
    pager, raw_item, span_code, status, trace_link,
};
use super::{Answer, html as answer};
use crate::http::api::{Asked, Named, PageQuery, named};
use crate::http::{App, Failure};
use crate::store::{Party, Session, SessionDetail, SessionEvent, SessionList, Tally};
use crate::tail::format_duration;

/// Traces linked from a session's page.
const LINKED_TRACES: usize = 5;

pub(super) async fn list(State(app): State<App>, asked: Asked<PageQuery>) -> Answer {
    let page_of = asked?.page()?;
    let (list, tally) = app.read(move |store| Ok((store.sessions(page_of)?, store.tally()?))).await?;
    let content = html! {
        h1 { "MCP sessions" }
        @if list.sessions.is_empty() {
            div #list data-live { (empty(app.address(), &tally)) }
        } @else {
            (table(&list))
        }
        (pager("/sessions", "before=", list.next, "Older sessions"))
    };
    Ok(answer(page(Area::Sessions, "Sessions", &tally, content)))
}

fn table(list: &SessionList) -> Markup {
    html! {
        div.card.scroll {
            table.stacks {
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
            td.main {
                a.row href={ "/sessions/" (encode(&session.id)) } { (parties(session)) }
                div.dim.id { (outside(&session.id, 48)) }
            }
            td.owner { (actor(session)) }
            td.number data-name="events" { (count(session.events)) }
            td.number data-name="calls" { (count(session.calls)) }
            td.number data-name="failed" { (errors(session.errors)) }
            td data-name="last" { (moment(session.last_seen, true)) }
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

fn empty(address: SocketAddr, tally: &Tally) -> Markup {
    html! {
        div.empty {
            h2 { "Waiting for the first MCP session" }
            @if tally.received > 0 {
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
    let (detail, tally) = app.read(move |store| Ok((store.session(&id, page_of)?, store.tally()?))).await?;
    let detail = detail.ok_or(Failure::NotFound("There is no such session, or no more: the oldest are pruned."))?;
    let session = &detail.session;
    let name = |party: &Party| party.name.clone().unwrap_or_else(|| "unknown".to_owned());
    let title = format!("{} → {}", name(&session.client), name(&session.server));
    let path = format!("/sessions/{}", encode(&session.id));
    let content = html! {
        nav.crumbs aria-label="Where you are" { a href="/sessions" { "Sessions" } }
        h1 { (parties(session)) }
        (summary(&detail))
        (events(&detail))
        (pager(&path, "after=", detail.next, "Later events"))
    };
    Ok(answer(page(Area::Sessions, &title, &tally, content)))
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
            div { dt { "To a colleague" } dd { a href={ "/api/sessions/" (encode(&session.id)) "/export" } download { "Export as a file" } } }
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

/// The time line of a page of events, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Line {
    begin: i64,
    length: f64,
}

impl Line {
    fn of(events: &[SessionEvent]) -> Self {
        let begin = events.iter().map(began).min().unwrap_or(0);
        let end = events.iter().map(|event| event.timestamp.nanos()).max().unwrap_or(begin);
        Self { begin, length: end.saturating_sub(begin).max(1) as f64 }
    }
}

/// When a message was sent: its event is dated when it was answered.
fn began(event: &SessionEvent) -> i64 {
    let nanos = event.duration_ms.unwrap_or(0.0) * 1e6;
    event.timestamp.nanos().saturating_sub(nanos as i64)
}

fn events(detail: &SessionDetail) -> Markup {
    let line = Line::of(&detail.events);
    html! {
        section.card aria-label="Messages" {
            div.event.columns aria-hidden="true" {
                span { "After" } span { "Message" } span { "For" } span.number { "Duration" } span { "Time line" } span { "Status" }
            }
            ol #list.events data-live="rows" {
                @for event in &detail.events { (event_row(event, line, detail)) }
            }
        }
    }
}

fn event_row(event: &SessionEvent, line: Line, detail: &SessionDetail) -> Markup {
    let items =
        [("Log", event.items.log), ("Transaction", event.items.transaction), ("Error event", event.items.error)];
    let after = began(event).saturating_sub(line.begin) as f64 / 1e6;
    let is_from_server = event.direction.as_deref() == Some("server_to_client");
    html! {
        li id={ "event-" (event.id) } {
            details {
                summary.event {
                    span.time title=(event.timestamp.to_rfc3339()) { "+" (format_duration(after)) }
                    span.what {
                        span.arrow.back[is_from_server] aria-label=(if is_from_server { "from the server" } else { "from the client" }) { (if is_from_server { "←" } else { "→" }) }
                        code { (outside(&event.method, NAME_CHARS)) }
                        @if let Some(resource) = &event.resource { " " strong { (outside(resource, NAME_CHARS)) } }
                    }
                    span.who { (or_dash(event.actor.as_deref())) }
                    span.number { (duration(event.duration_ms)) }
                    span.bar { (bar(event, line)) }
                    span.state { (status(event.status.as_deref(), event.is_error)) }
                    @if let Some(intent) = &event.user_intent { span.intent { "“" (outside(intent, 200)) "”" } }
                    @if let Some(error) = &event.error { span.message { (outside(error, MESSAGE_CHARS)) } }
                }
                div.inside {
                    dl.facts {
                        div { dt { "From" } dd { (if is_from_server { side(&detail.session.server, "server") } else { side(&detail.session.client, "client") }) } }
                        div { dt { "To" } dd { (if is_from_server { side(&detail.session.client, "client") } else { side(&detail.session.server, "server") }) } }
                        div { dt { "Answered" } dd { (clock(event.timestamp)) } }
                        @if let Some(size) = event.request_bytes { div { dt { "Request" } dd { (bytes(size)) } } }
                        @if let Some(size) = event.response_bytes { div { dt { "Response" } dd { (bytes(size)) } } }
                        @if let Some(trace) = event.trace_id { div { dt { "Trace" } dd { (trace_link(trace)) } } }
                        @if let Some(span) = event.span_id { div { dt { "Span" } dd { (span_code(span)) } } }
                        @if let Some(intent) = &event.user_intent {
                            div.wide { dt { "User intent" } dd.lines { (outside_lines(intent, 2000)) } }
                        }
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

fn side(party: &Party, otherwise: &str) -> Markup {
    html! { (outside(party.name.as_deref().unwrap_or(otherwise), NAME_CHARS)) }
}

/// A message's place on the time line.
fn bar(event: &SessionEvent, line: Line) -> Markup {
    let width = (event.duration_ms.unwrap_or(0.0) * 1e6 / line.length * 100.0).clamp(0.8, 100.0);
    let left = (began(event).saturating_sub(line.begin) as f64 / line.length * 100.0).clamp(0.0, 100.0 - width);
    html! {
        svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
            rect.bad[event.is_error] x=(format!("{left:.2}")) width=(format!("{width:.2}")) height="4" rx="0.4" {}
        }
    }
}
