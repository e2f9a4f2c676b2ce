//! V8's format (Node.js, Deno, Bun): `    at function (file:line:column)`, newest call first.

use watchpost_sentry::wire::Frame;

use super::{MAX_LINES, borrowed, frame_at, split_location};

/// Paths from here on are libraries.
const LIBRARIES: &[&str] = &["node_modules/", "node_modules\\"];

pub(super) fn read(stack: &str) -> Vec<Frame<'_>> {
    let calls = stack.lines().take(MAX_LINES).filter_map(|line| line.trim_start().strip_prefix("at "));
    let mut frames: Vec<_> = calls.filter_map(|call| read_call(call.trim_end())).collect();
    frames.reverse();
    frames
}

fn read_call(call: &str) -> Option<Frame<'_>> {
    let call = call.strip_prefix("async ").unwrap_or(call);
    let (function, location) = match call.strip_suffix(')').and_then(|call| call.split_once(" (")) {
        Some((function, location)) => (Some(function), location),
        None => (None, call),
    };
    // `eval at run (file…), <anonymous>:1:2`: where it was evaluated is the last part.
    let location = location.rsplit(", ").next().unwrap_or(location);
    let Some((path, line, column)) = split_location(location) else {
        // `at Array.map (<anonymous>)`, `at async Promise.all (index 0)`
        return Some(Frame { function: borrowed(function?), in_app: Some(false), ..Frame::default() });
    };
    let mut frame = frame_at(path, LIBRARIES, function.filter(|function| *function != "<anonymous>"));
    if path.starts_with("node:") || path.starts_with("internal/") {
        frame.in_app = Some(false);
    }
    (frame.lineno, frame.colno) = (Some(line), column);
    Some(frame)
}
