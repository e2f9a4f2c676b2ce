//! Search across everything that was received, and the page of one item.

use axum::extract::State;
use maud::{Markup, html};

use super::frame::{Area, page};
use super::parts::{encode, kind_badge, moment, outside, pager, raw_item, stamp, trace_link};
use super::{Answer, html as answer};
use crate::http::api::{Asked, Named, SearchQuery, named};
use crate::http::{App, Failure};
use crate::store::{Found, SearchList};

/// Characters of a query that are looked for.
const MAX_QUERY: usize = 400;

pub(super) async fn list(State(app): State<App>, asked: Asked<SearchQuery>) -> Answer {
    let asked = asked?;
    let page_of = asked.page()?;
    let text: String = asked.query.clone().unwrap_or_default().chars().take(MAX_QUERY).collect();
    let wanted = text.clone();
    let (list, tally) = app.read(move |store| Ok((store.search(&wanted, page_of)?, store.tally()?))).await?;
    let is_empty = list.items.is_empty() && list.trace.is_none() && list.session.is_none();
    let content = html! {
        h1 { @if text.trim().is_empty() { "Search" } @else { "Search: " (outside(&text, 80)) } }
        @if is_empty {
            div #list data-live {
                div.empty {
                    @if text.trim().is_empty() {
                        h2 { "What are you looking for?" }
                        p { "Words anywhere in what was received: messages, prompts, arguments, errors; or the id of a trace or a session. Press " kbd { "/" } " on any page." }
                    } @else {
                        h2 { "Nothing has all of these words" }
                        p { "The last word may be the beginning of one; the first 4 KiB of each item are searched." }
                    }
                }
            }
        } @else {
            (exact(&list))
            section.card { ol #list.events data-live="rows" { @for found in &list.items { (row(found)) } } }
        }
        (pager("/search", &format!("query={}&before=", encode(&text)), list.next, "Older items"))
    };
    Ok(answer(page(Area::Search, "Search", &tally, content)))
}

fn exact(list: &SearchList) -> Markup {
    html! {
        @if let Some(trace) = list.trace { p.exact { "This is a trace: " (trace_link(trace)) } }
        @if let Some(session) = &list.session {
            p.exact { "This is a session: " a.id href={ "/sessions/" (encode(session)) } { (outside(session, 60)) } }
        }
    }
}

fn row(found: &Found) -> Markup {
    let title = found.title.as_deref().filter(|title| !title.is_empty()).unwrap_or("(no title)");
    html! {
        li id={ "item-" (found.item) } {
            details {
                summary.log {
                    span.time { (stamp(found.timestamp)) }
                    span.state { (kind_badge(&found.kind)) }
                    span.body { (outside(title, 240)) }
                }
                div.inside { (belongs(found)) (raw_item("As it was received", found.item)) }
            }
        }
    }
}

fn belongs(found: &Found) -> Markup {
    html! {
        dl.facts {
            @if let Some(trace) = found.trace_id { div { dt { "Trace" } dd { (trace_link(trace)) } } }
            @if let Some(session) = &found.session {
                div { dt { "Session" } dd { a.id href={ "/sessions/" (encode(session)) } { (outside(session, 40)) } } }
            }
            @if let Some(issue) = found.issue { div { dt { "Issue" } dd { a href={ "/issues/" (issue) } { "#" (issue) } } } }
            div { dt { "Item" } dd { a href={ "/items/" (found.item) } { "#" (found.item) } } }
        }
    }
}

pub(super) async fn item(State(app): State<App>, id: Named<i64>) -> Answer {
    let id = named(id)?;
    let (found, tally) = app.read(move |store| Ok((store.found(id)?, store.tally()?))).await?;
    let found = found.ok_or(Failure::NotFound("There is no such item, or no more: the oldest are pruned."))?;
    let title = found.title.clone().filter(|title| !title.is_empty()).unwrap_or_else(|| format!("Item {id}"));
    let content = html! {
        p.crumbs { (kind_badge(&found.kind)) " " (moment(found.timestamp, false)) }
        h1 { (outside(&title, 300)) }
        (belongs(&found))
        div data-open { (raw_item("As it was received", found.item)) }
    };
    Ok(answer(page(Area::Search, &title, &tally, content)))
}
