//! The issues, and an issue's page: its latest event with stack, tags and links, then all its events.

use axum::extract::State;
use maud::{Markup, html};
use serde_json::Value;

use super::frame::{Area, page};
use super::parts::{
    MESSAGE_CHARS, NAME_CHARS, count, encode, level, moment, or_dash, outside, pager, raw_item, trace_link,
};
use super::stack::exceptions;
use super::{Answer, html as answer};
use crate::http::api::{Asked, Named, PageQuery, named};
use crate::http::{App, Failure};
use crate::store::{ErrorEntry, Issue, IssueDetail, IssueList};

/// Tags shown of an event.
const MAX_TAGS: usize = 100;

pub(super) async fn list(State(app): State<App>, asked: Asked<PageQuery>) -> Answer {
    let page_of = asked?.page()?;
    let (list, tally) = app.read(move |store| Ok((store.issues(page_of)?, store.tally()?))).await?;
    let content = html! {
        h1 { "Issues" }
        @if list.issues.is_empty() {
            div #list data-live {
                div.empty {
                    h2 { "No issues" }
                    p { "Failed MCP calls and errors sent by any Sentry SDK appear here, grouped." }
                }
            }
        } @else {
            (table(&list))
        }
        (pager("/issues", "before=", list.next, "Older issues"))
    };
    Ok(answer(page(Area::Issues, "Issues", &tally, content)))
}

fn table(list: &IssueList) -> Markup {
    html! {
        div.card.scroll {
            table.stacks {
                caption.hidden { "Issues, the latest first" }
                thead {
                    tr {
                        th scope="col" { "Issue" }
                        th.number scope="col" { "Events" }
                        th scope="col" { "First seen" }
                        th scope="col" { "Last seen" }
                    }
                }
                tbody #list data-live="rows" {
                    @for issue in &list.issues { (row(issue)) }
                }
            }
        }
    }
}

fn row(issue: &Issue) -> Markup {
    html! {
        tr id={ "issue-" (issue.id) } {
            td.main {
                a.row href={ "/issues/" (issue.id) } { strong { (outside(&issue.title, 200)) } }
                div { (level(&issue.level)) " " span.dim { (or_dash(issue.culprit.as_deref())) } }
            }
            td.number data-name="events" { (count(issue.count)) }
            td data-name="first" { (moment(issue.first_seen, true)) }
            td data-name="last" { (moment(issue.last_seen, true)) }
        }
    }
}

pub(super) async fn show(State(app): State<App>, id: Named<i64>, asked: Asked<PageQuery>) -> Answer {
    let (id, page_of) = (named(id)?, asked?.page()?);
    let read = app.read(move |store| {
        let detail = store.issue(id, page_of)?;
        let latest = detail.as_ref().and_then(|detail| detail.events.first()).map(|event| event.item);
        let item = latest.map(|item| store.item(item)).transpose()?.flatten();
        Ok((detail, item, store.tally()?))
    });
    let (detail, item, tally) = read.await?;
    let detail = detail.ok_or(Failure::NotFound("There is no such issue, or no more: the oldest are pruned."))?;
    let payload: Value = item.and_then(|item| serde_json::from_slice(&item.payload).ok()).unwrap_or_default();
    let path = format!("/issues/{id}");
    let content = html! {
        nav.crumbs aria-label="Where you are" { a href="/issues" { "Issues" } }
        h1 { (outside(&detail.issue.title, 300)) }
        (summary(&detail))
        (exceptions(&payload))
        (tags(&payload["tags"]))
        h2 { "Events" }
        section.card {
            ol #list.events data-live="rows" {
                @for event in &detail.events { (event_row(event)) }
            }
        }
        (pager(&path, "before=", detail.next, "Older events"))
    };
    Ok(answer(page(Area::Issues, &detail.issue.title, &tally, content)))
}

fn summary(detail: &IssueDetail) -> Markup {
    let issue = &detail.issue;
    html! {
        dl #summary.facts data-live {
            div { dt { "Level" } dd { (level(&issue.level)) } }
            div { dt { "Where" } dd { (or_dash(issue.culprit.as_deref())) } }
            div { dt { "Events" } dd { (count(issue.count)) } }
            div { dt { "First seen" } dd { (moment(issue.first_seen, false)) } }
            div { dt { "Last seen" } dd { (moment(issue.last_seen, false)) } }
            @if let Some(latest) = detail.events.first() {
                @if let Some(trace) = latest.trace_id { div { dt { "Latest trace" } dd { (trace_link(trace)) } } }
                @if let Some(session) = &latest.session {
                    div { dt { "Latest session" } dd { a.id href={ "/sessions/" (encode(session)) } { (outside(session, 40)) } } }
                }
            }
        }
    }
}

fn tags(tags: &Value) -> Markup {
    let pairs: Vec<(&str, &str)> = match tags {
        Value::Object(map) => map.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect(),
        Value::Array(list) => list.iter().filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?))).collect(),
        _ => Vec::new(),
    };
    html! {
        @if !pairs.is_empty() {
            h2 { "Tags" }
            dl.tags {
                @for (key, value) in pairs.into_iter().take(MAX_TAGS) {
                    div { dt { (outside(key, NAME_CHARS)) } dd { (outside(value, 200)) } }
                }
            }
        }
    }
}

fn event_row(event: &ErrorEntry) -> Markup {
    html! {
        li id={ "event-" (event.item) } {
            details {
                summary.log {
                    span.time { (moment(event.timestamp, false)) }
                    span.body { (outside(&event.message, MESSAGE_CHARS)) }
                }
                div.inside {
                    dl.facts {
                        @if let Some(id) = event.event_id { div { dt { "Event" } dd.id { (id) } } }
                        @if let Some(trace) = event.trace_id { div { dt { "Trace" } dd { (trace_link(trace)) } } }
                        @if let Some(session) = &event.session {
                            div { dt { "Session" } dd { a.id href={ "/sessions/" (encode(session)) } { (outside(session, 60)) } } }
                        }
                    }
                    (raw_item("What Sentry received", event.item))
                }
            }
        }
    }
}
