//! The tools of servers and agents, and the models: calls, failures, durations, sizes, tokens.

use axum::extract::State;
use maud::{Markup, html};

use super::frame::{Area, page};
use super::parts::{NAME_CHARS, amount, bytes, count, duration, encode, moment, money, outside, percent};
use super::{Answer, html as answer};
use crate::http::App;
use crate::http::api::{Asked, OrderQuery};
use crate::store::{Tool, ToolOrder};

/// The tables: kind, anchor, heading, name of the owners' column.
const TABLES: [(&str, &str, &str, &str); 3] = [
    ("mcp", "mcp-tools", "MCP servers’ tools", "Server"),
    ("tool", "agent-tools", "Agents’ tools", "Agent"),
    ("model", "models", "Models", "Provider"),
];

pub(super) async fn list(State(app): State<App>, asked: Asked<OrderQuery>) -> Answer {
    let order = asked?.order()?;
    let (tools, tally) = app.read(move |store| Ok((store.tools(order)?, store.tally()?))).await?;
    let content = html! {
        div.head {
            h1 { "Tools" }
            nav.segments aria-label="Order" {
                @for (known, name) in ToolOrder::ALL {
                    a href={ "/tools?order=" (name) } aria-current=[(known == order).then_some("true")] { (name) }
                }
            }
        }
        div #tools data-live {
            @if tools.is_empty() {
                div.empty {
                    h2 { "No tool was called yet" }
                    p { "Calls of MCP tools, of agents’ tools and of models are counted here, each with its failures, its durations and what it sends." }
                }
            }
            @for (kind, anchor, heading, owner) in TABLES {
                @let some: Vec<&Tool> = tools.iter().filter(|tool| tool.kind == kind).collect();
                @if !some.is_empty() { (table(&some, anchor, heading, owner, kind == "model")) }
            }
        }
    };
    Ok(answer(page(Area::Tools, "Tools", &tally, content)))
}

fn table(tools: &[&Tool], anchor: &str, heading: &str, owner: &str, is_model: bool) -> Markup {
    html! {
        h2 id=(anchor) { (heading) }
        div.card.scroll {
            table.stacks {
                thead {
                    tr {
                        th scope="col" { (if is_model { "Model" } else { "Tool" }) }
                        th scope="col" { (owner) }
                        th.number scope="col" { "Calls" }
                        th.number scope="col" { "Error rate" }
                        th.number scope="col" { "p50" }
                        th.number scope="col" { "p95" }
                        th.number scope="col" { "Longest" }
                        th scope="col" { "Durations" }
                        @if is_model {
                            th.number scope="col" { "Tokens in" } th.number scope="col" { "out" } th.number scope="col" { "Est. cost" }
                        } @else {
                            th.number scope="col" { "Request" } th.number scope="col" { "Response" }
                        }
                        th scope="col" { "Last" }
                    }
                }
                tbody { @for tool in tools { (row(tool, is_model)) } }
            }
        }
    }
}

fn row(tool: &Tool, is_model: bool) -> Markup {
    let rate = tool.errors as f64 / tool.calls.max(1) as f64;
    let size = |size: Option<u64>| size.map_or_else(|| "–".to_owned(), bytes);
    html! {
        tr {
            td.main {
                a.row href={ "/search?query=" (encode(&tool.name)) } { strong { (outside(&tool.name, NAME_CHARS)) } }
                @if let Some(error) = tool.last_error.as_ref().filter(|_| !is_model) { div.dim.last-error { (outside(error, 90)) } }
            }
            td.owner { @if tool.owner.is_empty() { span.dim { "–" } } @else { (outside(&tool.owner, 40)) } }
            td.number data-name="calls" { (count(tool.calls)) }
            td.number data-name="failed" { @if tool.errors == 0 { span.dim { "0 %" } } @else { span.badge.bad title={ (count(tool.errors)) " failed" } { (percent(rate)) } } }
            td.number data-name="p50" { (duration(tool.p50_ms)) }
            td.number data-name="p95" { (duration(tool.p95_ms)) }
            td.number data-name="longest" { (duration(Some(tool.longest_ms).filter(|_| tool.p50_ms.is_some()))) }
            td { (distribution(&tool.distribution)) }
            @if is_model {
                td.number data-name="in" { (amount(tool.input_tokens as f64)) } td.number data-name="out" { (amount(tool.output_tokens as f64)) }
                td.number data-name="cost" { (money(tool.cost)) }
            } @else {
                td.number data-name="request" { (size(tool.request_bytes)) } td.number data-name="response" { (size(tool.response_bytes)) }
            }
            td data-name="last" { (moment(tool.last_seen, true)) }
        }
    }
}

/// A small picture of how durations are distributed, short ones left.
fn distribution(shares: &[f64]) -> Markup {
    html! {
        svg.distribution viewBox="0 0 96 20" aria-hidden="true" {
            @for (at, share) in shares.iter().enumerate() {
                @let height = if *share > 0.0 { (share * 20.0).max(1.5) } else { 0.0 };
                rect x=(at * 8) y=(format!("{:.1}", 20.0 - height)) width="6.5" height=(format!("{height:.1}")) rx="1" {}
            }
        }
    }
}
