//! What every page has: head, navigation, footer; and the page that says that something failed.

use axum::http::StatusCode;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::parts::{bytes, count};
use crate::inert::visible;
use crate::store::Stats;

/// Which entry of the navigation a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    Sessions,
    Traces,
    Issues,
    Logs,
}

const AREAS: [(Area, &str, &str); 4] = [
    (Area::Sessions, "/", "Sessions"),
    (Area::Traces, "/traces", "Traces"),
    (Area::Issues, "/issues", "Issues"),
    (Area::Logs, "/logs", "Logs"),
];

/// A whole page.
pub(super) fn page(area: Area, title: &str, stats: &Stats, content: Markup) -> Markup {
    shell(
        Some(area),
        title,
        html! {
            main #main { (content) }
            (footer(stats))
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
                    p { a.button href="/" { "Back to the sessions" } }
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
                script src="/assets/live.js" defer {}
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
                    span #live.live role="status" hidden { "connecting" }
                }
                (body)
            }
        }
    }
}

fn footer(stats: &Stats) -> Markup {
    let received: u64 = stats.items.iter().map(|item| item.received).sum();
    let duplicates: u64 = stats.items.iter().map(|item| item.duplicates).sum();
    let pruned: u64 = stats.items.iter().map(|item| item.pruned).sum();
    let unreadable: u64 = stats.items.iter().map(|item| item.unreadable).sum();
    let discarded: u64 = stats.discarded_by_senders.iter().map(|discard| discard.quantity).sum();
    let notes = [
        (duplicates, "received twice"),
        (pruned, "pruned"),
        (unreadable, "unreadable"),
        (stats.rejected_envelopes, "envelopes refused"),
        (stats.failed_writes, "not stored"),
        (discarded, "discarded by senders"),
    ];
    html! {
        footer #footer data-live {
            span { (count(received)) " items received" }
            @for (number, what) in notes.into_iter().filter(|(number, _)| *number > 0) {
                span { (count(number)) " " (what) }
            }
            span.end {
                meter min="0" max=(stats.max_database_bytes) value=(stats.database_bytes) aria-label="Database size" {}
                " " (bytes(stats.database_bytes)) " of " (bytes(stats.max_database_bytes))
            }
            a href="/api/stats" { "JSON" }
        }
    }
}
