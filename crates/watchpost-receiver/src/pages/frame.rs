//! What every page has: head, navigation, footer; and the page that says that something failed.

use axum::http::StatusCode;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::parts::{bytes, count};
use crate::inert::visible;
use crate::store::Tally;

/// Which entry of the navigation a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    Overview,
    Sessions,
    Traces,
    Issues,
    Tools,
    Logs,
    Search,
}

const AREAS: [(Area, &str, &str); 6] = [
    (Area::Overview, "/", "Overview"),
    (Area::Sessions, "/sessions", "Sessions"),
    (Area::Traces, "/traces", "Traces"),
    (Area::Issues, "/issues", "Issues"),
    (Area::Tools, "/tools", "Tools"),
    (Area::Logs, "/logs", "Logs"),
];

/// The keys that the script understands, as the help shows them.
const KEYS: [(&str, &str); 6] = [
    ("/", "search"),
    ("j k", "next and previous row"),
    ("Enter", "open a row or follow it"),
    ("g then o s t i u l", "go to overview, sessions, traces, issues, tools, logs"),
    ("d", "light or dark"),
    ("?", "this help"),
];

/// A whole page.
pub(super) fn page(area: Area, title: &str, tally: &Tally, content: Markup) -> Markup {
    shell(
        Some(area),
        title,
        html! {
            main #main { (content) }
            (footer(tally))
        },
    )
}

/// The page for what was not found or did not work.
pub(super) fn failure(status: StatusCode, detail: &str) -> Markup {
    let title = status.canonical_reason().unwrap_or("Error");
    shell(
        None,
        title,
        html! {
            main #main {
                div.empty {
                    p.code { (status.as_u16()) }
                    h1 { (title) }
                    p { (visible(detail, 500)) }
                    p { a.button href="/" { "Back to the overview" } }
                }
            }
        },
    )
}

fn shell(area: Option<Area>, title: &str, body: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (visible(title, 120)) " · Watchpost" }
                link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/assets/style.css";
                script src="/assets/theme.js" {}
                script src="/assets/raw.js" defer {}
                script src="/assets/live.js" defer {}
                script src="/assets/keys.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    a.brand href="/" { (PreEscaped(include_str!("icon.svg"))) span { "Watchpost" } }
                    nav aria-label="Areas" {
                        @for (entry, href, name) in AREAS {
                            a href=(href) aria-current=[(area == Some(entry)).then_some("page")] { (name) }
                        }
                    }
                    form.find action="/search" method="get" role="search" {
                        input #find type="search" name="query" placeholder="Search everything" aria-label="Search everything"
                            autocomplete="off" spellcheck="false" maxlength="400" aria-keyshortcuts="/";
                    }
                    span #live.live role="status" hidden { "connecting" }
                    button #theme type="button" hidden title="Light or dark (d)" aria-label="Light or dark" { "◐" }
                }
                (body)
                dialog #help aria-label="Keys" {
                    h2 { "Keys" }
                    dl { @for (keys, what) in KEYS { div { dt { kbd { (keys) } } dd { (what) } } } }
                    form method="dialog" { button.button { "Close" } }
                }
            }
        }
    }
}

fn footer(tally: &Tally) -> Markup {
    let notes = [
        (tally.duplicates, "received twice"),
        (tally.pruned, "pruned"),
        (tally.unreadable, "unreadable"),
        (tally.rejected_envelopes, "envelopes refused"),
        (tally.failed_writes, "not stored"),
        (tally.discarded, "discarded by senders"),
    ];
    html! {
        footer #footer data-live {
            span { (count(tally.received)) " items received" }
            @for (number, what) in notes.into_iter().filter(|(number, _)| *number > 0) {
                span { (count(number)) " " (what) }
            }
            span.end {
                meter min="0" max=(tally.max_database_bytes) value=(tally.database_bytes) aria-label="Database size" {}
                " " (bytes(tally.database_bytes)) " of " (bytes(tally.max_database_bytes))
            }
            a href="/api/stats" { "JSON" }
        }
    }
}
