//! The first page: what happened in a range of time, as figures, charts and short lists; how to begin when nothing has.

use std::net::SocketAddr;

use axum::extract::State;
use maud::{Markup, html};
use watchpost_sentry::wire::Timestamp;

use super::chart::{Chart, Form, Series};
use super::frame::{Area, page};
use super::parts::{NAME_CHARS, amount, count, encode, moment, money, outside, percent, tile};
use super::{Answer, html as answer};
use crate::http::App;
use crate::http::api::{Asked, RangeQuery};
use crate::store::{Calls, Issue, Overview, Range, Source, Tool};
use crate::tail::format_duration;

pub(super) async fn show(State(app): State<App>, asked: Asked<RangeQuery>) -> Answer {
    let range = asked?.range()?;
    let (overview, tally) =
        app.read(move |store| Ok((store.overview(range, Timestamp::now())?, store.tally()?))).await?;
    let content = html! {
        @if tally.received == 0 {
            div #overview data-live { (beginning(app.address())) }
        } @else {
            div.head {
                h1 { "Overview" }
                (ranges(range))
            }
            div #overview data-live {
                (figures(&overview))
                (charts(&overview))
                div.columns-3 {
                    (top_tools(&overview.top_tools))
                    (top_errors(&overview.top_issues))
                    (sources(&overview.sources))
                }
            }
        }
    };
    Ok(answer(page(Area::Overview, "Overview", &tally, content)))
}

fn ranges(chosen: Range) -> Markup {
    html! {
        nav.segments aria-label="Range of time" {
            @for range in Range::ALL {
                a href={ "/?range=" (range.name()) } aria-current=[(range == chosen).then_some("true")] { (range.name()) }
            }
        }
    }
}

fn figures(overview: &Overview) -> Markup {
    let (mcp, model, tool) = (&overview.mcp, &overview.model, &overview.tool);
    let (calls, errors) = (mcp.calls + tool.calls + model.calls, mcp.errors + tool.errors + model.errors);
    // The calls people wait for here: those of servers, or those of models where there are no servers.
    let timed = if mcp.calls > 0 { mcp } else { model };
    let timing = |millis: Option<f64>| millis.map_or_else(|| "–".to_owned(), format_duration);
    html! {
        dl.tiles {
            (tile("MCP calls", &html! { (count(mcp.calls)) }, false))
            (tile("Model calls", &html! { (count(model.calls)) }, false))
            (tile("Error rate", &html! { (rate(errors, calls)) }, errors > 0))
            (tile("p50", &html! { (timing(timed.p50_ms)) }, false))
            (tile("p95", &html! { (timing(timed.p95_ms)) }, false))
            (tile("Tokens", &html! { (amount((model.input_tokens + model.output_tokens) as f64)) }, false))
            (tile("Est. cost", &html! { (money(model.cost)) }, false))
        }
    }
}

fn rate(errors: u64, calls: u64) -> String {
    if calls == 0 { "–".to_owned() } else { percent(errors as f64 / calls as f64) }
}

fn charts(overview: &Overview) -> Markup {
    let times: Vec<Timestamp> = overview.stretches.iter().map(|stretch| stretch.began).collect();
    let series = |name, class, value: &dyn Fn(&crate::store::Stretch) -> Option<f64>| Series {
        name,
        class,
        values: overview.stretches.iter().map(value).collect(),
    };
    let good = |calls: &Calls| Some(calls.calls.saturating_sub(calls.errors) as f64);
    let (mcp, model, tool) = (&overview.mcp, &overview.model, &overview.tool);
    let (calls, errors) = (mcp.calls + tool.calls + model.calls, mcp.errors + tool.errors + model.errors);
    let has_mcp = mcp.calls > 0;
    let latencies = if has_mcp { mcp } else { model };
    let of = move |stretch: &crate::store::Stretch, millis: fn(&Calls) -> Option<f64>| {
        millis(if has_mcp { &stretch.mcp } else { &stretch.model })
    };
    let chart = |title, figure, form, series, format, at_least| {
        Chart { title, figure, form, series, format, times: times.clone(), at_least }.render()
    };
    html! {
        div.charts {
            (chart("Calls", amount(calls as f64), Form::Stacked, vec![
                series("MCP", "mcp", &|stretch| good(&stretch.mcp)),
                series("models", "model", &|stretch| good(&stretch.model)),
                series("agents’ tools", "tool", &|stretch| good(&stretch.tool)),
                series("failed", "bad", &|stretch| {
                    Some((stretch.mcp.errors + stretch.model.errors + stretch.tool.errors) as f64)
                }),
            ], amount, 4.0))
            (chart("Error rate", rate(errors, calls), Form::Nested, vec![
                series("failed", "bad", &|stretch| {
                    let calls = stretch.mcp.calls + stretch.model.calls + stretch.tool.calls;
                    let errors = stretch.mcp.errors + stretch.model.errors + stretch.tool.errors;
                    (calls > 0).then(|| errors as f64 / calls as f64)
                }),
            ], percent, 0.1))
            (chart(if has_mcp { "Latency of MCP calls" } else { "Latency of model calls" },
                latencies.p95_ms.map_or_else(|| "–".to_owned(), |millis| format!("p95 {}", format_duration(millis))),
                Form::Nested, vec![
                series("p95", "tail", &|stretch| of(stretch, |calls| calls.p95_ms)),
                series("p50", "mcp", &|stretch| of(stretch, |calls| calls.p50_ms)),
            ], format_duration, 0.0))
            (chart("Tokens", amount((model.input_tokens + model.output_tokens) as f64), Form::Stacked, vec![
                series("input", "model", &|stretch| Some(stretch.model.input_tokens as f64)),
                series("output", "tool", &|stretch| Some(stretch.model.output_tokens as f64)),
            ], amount, 0.0))
            (chart("Estimated cost", money(model.cost), Form::Stacked, vec![
                series("cost", "cost", &|stretch| Some(stretch.model.cost)),
            ], money, 0.0))
        }
    }
}

fn top_tools(tools: &[Tool]) -> Markup {
    let most = tools.iter().map(|tool| tool.calls).max().unwrap_or(1).max(1) as f64;
    html! {
        section.card.list {
            header { h2 { "Top tools" } a href="/tools" { "All tools" } }
            @if tools.is_empty() { p.none { "No tool was called yet." } }
            ol {
                @for tool in tools {
                    li {
                        a href={ "/search?query=" (encode(&tool.name)) } { (outside(&tool.name, NAME_CHARS)) }
                        span.dim.owner { (outside(&tool.owner, 40)) }
                        span.number { (count(tool.calls)) @if tool.errors > 0 { " " span.bad-text { (count(tool.errors)) " failed" } } }
                        svg.share viewBox="0 0 100 2" preserveAspectRatio="none" aria-hidden="true" {
                            rect width=(format!("{:.1}", tool.calls as f64 / most * 100.0)) height="2" {}
                        }
                    }
                }
            }
        }
    }
}

fn top_errors(issues: &[Issue]) -> Markup {
    html! {
        section.card.list {
            header { h2 { "Top errors" } a href="/issues" { "All issues" } }
            @if issues.is_empty() { p.none { "Nothing failed in this range." } }
            ol {
                @for issue in issues {
                    li {
                        a href={ "/issues/" (issue.id) } { (outside(&issue.title, 90)) }
                        span.dim.owner { (moment(issue.last_seen, true)) }
                        span.number { (count(issue.count)) }
                    }
                }
            }
        }
    }
}

fn sources(sources: &[Source]) -> Markup {
    html! {
        section.card.list {
            header { h2 { "Sources" } a href="/api/stats" { "JSON" } }
            @if sources.is_empty() { p.none { "Nobody has sent yet." } }
            ol {
                @for source in sources.iter().take(8) {
                    li {
                        span { (outside(if source.sdk.is_empty() { "unnamed sender" } else { &source.sdk }, 60)) " " span.version { (outside(&source.version, 24)) } }
                        span.dim.owner { "project " (outside(&source.project, 24)) " · " (moment(source.last_seen, true)) }
                        span.number { (count(source.items)) }
                    }
                }
            }
        }
    }
}

fn beginning(address: SocketAddr) -> Markup {
    html! {
        section.beginning {
            h1 { "Waiting for the first call" }
            p.lead { "Everything that arrives is kept on this machine and shown here. Start with one of these:" }
            ol.steps {
                li.card {
                    h2 { "An MCP server, in any language" }
                    p { "Put Watchpost in front of its command. With no DSN set it finds this receiver by itself." }
                    pre.command tabindex="0" { code { "watchpost mcp -- npx -y @modelcontextprotocol/server-everything" } }
                }
                li.card {
                    h2 { "Any Sentry SDK" }
                    p { "Set one variable; errors, traces, logs and AI spans come here." }
                    pre.command tabindex="0" { code { "SENTRY_DSN=http://watchpost@" (address) "/1" } }
                    pre.command tabindex="0" { code { "SENTRY_SPOTLIGHT=http://" (address) "/stream" } }
                }
                li.card {
                    h2 { "Recorded runs" }
                    p { "Import what an agent or a server has recorded." }
                    pre.command tabindex="0" { code { "watchpost import --format mastra --dsn http://watchpost@" (address) "/1 events.jsonl" } }
                }
            }
            p.dim { "This page fills itself as things arrive." }
        }
    }
}
