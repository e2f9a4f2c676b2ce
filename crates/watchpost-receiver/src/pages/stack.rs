//! An event's exceptions with their stacks, the one that was caught first, its innermost frame first.

use maud::{Markup, html};
use serde_json::Value;

use super::parts::{outside, outside_lines};

/// Exceptions shown of a chain.
const MAX_EXCEPTIONS: usize = 20;

/// Frames shown of a stack. Sentry keeps 50.
const MAX_FRAMES: usize = 100;

pub(super) fn exceptions(event: &Value) -> Markup {
    let list = if event["exception"].is_array() { &event["exception"] } else { &event["exception"]["values"] };
    html! {
        @for exception in list.as_array().into_iter().flatten().rev().take(MAX_EXCEPTIONS) {
            (exception_card(exception))
        }
    }
}

fn exception_card(exception: &Value) -> Markup {
    let mechanism = &exception["mechanism"];
    html! {
        section.card.exception {
            h2 { (outside(exception["type"].as_str().unwrap_or("(no type)"), 200)) }
            @if let Some(value) = exception["value"].as_str() { p.value { (outside_lines(value, 4000)) } }
            @if let Some(ty) = mechanism["type"].as_str() {
                p.dim {
                    "caught by " code { (outside(ty, 100)) }
                    @match mechanism["handled"].as_bool() {
                        Some(true) => ", handled",
                        Some(false) => ", not handled",
                        None => "",
                    }
                }
            }
            @if let Some(frames) = exception["stacktrace"]["frames"].as_array() {
                ol.frames {
                    @for frame in frames.iter().rev().take(MAX_FRAMES) { (frame_row(frame)) }
                }
            }
        }
    }
}

fn frame_row(frame: &Value) -> Markup {
    let text = |name: &str| frame[name].as_str();
    let file = text("filename").or_else(|| text("abs_path")).or_else(|| text("module")).unwrap_or("unknown file");
    let is_own = frame["in_app"].as_bool().unwrap_or(true);
    html! {
        li.foreign[!is_own] {
            div {
                code { (outside(text("function").unwrap_or("unknown function"), 200)) }
                span.dim {
                    " in " (outside(file, 200))
                    @if let Some(line) = frame["lineno"].as_u64() { ":" (line) }
                }
            }
            @if let Some(line) = text("context_line") { pre { (outside_lines(line.trim_end(), 400)) } }
        }
    }
}
