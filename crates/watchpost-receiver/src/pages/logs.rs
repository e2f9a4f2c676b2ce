//! The logs, filtered by text and level.

use axum::extract::State;
use maud::{Markup, html};

use super::frame::{Area, page};
use super::parts::{encode, pager};
use super::traces::log_row;
use super::{Answer, html as answer};
use crate::http::App;
use crate::http::api::{Asked, LogFilter};
use crate::store::LogQuery;

/// The choices of the level filter.
const LEVELS: [(&str, &str); 6] = [
    ("", "all levels"),
    ("debug", "debug and above"),
    ("info", "info and above"),
    ("warn", "warn and above"),
    ("error", "error and above"),
    ("fatal", "fatal"),
];

pub(super) async fn list(State(app): State<App>, asked: Asked<LogFilter>) -> Answer {
    let query = asked?.query()?;
    let asked = query.clone();
    let (list, tally) = app.read(move |store| Ok((store.logs(&asked)?, store.tally()?))).await?;
    let level = query.min_level.as_deref().unwrap_or("");
    let parameters = format!("query={}&level={}&before=", encode(&query.text), encode(level));
    let is_filtered = !query.text.is_empty() || !level.is_empty();
    let content = html! {
        h1 { "Logs" }
        (filter(&query, level))
        @if list.logs.is_empty() {
            div #list data-live {
                div.empty {
                    @if is_filtered {
                        h2 { "No log fits" }
                        p {
                            "A text is looked for in the latest 10,000 logs of each level. "
                            a href={ "/search?query=" (encode(&query.text)) } { "Search everything" } " or "
                            a href="/logs" { "show all logs" } "."
                        }
                    } @else {
                        h2 { "No logs yet" }
                        p { "Every MCP event is a log; so is what your SDK's logger sends." }
                    }
                }
            }
        } @else {
            section.card {
                ol #list.events data-live="rows" {
                    @for log in &list.logs { (log_row(log, true)) }
                }
            }
        }
        (pager("/logs", &parameters, list.next, "Older logs"))
    };
    Ok(answer(page(Area::Logs, "Logs", &tally, content)))
}

fn filter(query: &LogQuery, chosen: &str) -> Markup {
    html! {
        form.filter action="/logs" method="get" role="search" {
            label {
                span { "Message contains" }
                input type="search" name="query" value=(query.text) autocomplete="off" spellcheck="false";
            }
            label {
                span { "Level" }
                select name="level" {
                    @for (value, name) in LEVELS {
                        option value=(value) selected[value == chosen] { (name) }
                    }
                }
            }
            button type="submit" { "Filter" }
        }
    }
}
