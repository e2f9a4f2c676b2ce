//! Stack frames for Sentry: those the source gives, else what can be read from the stack's text. Reading is conservative: a
//! text in an unknown format gives no frames rather than wrong ones.
//! Sources: V8's stack trace API, CPython's `traceback`, Rust's `std::backtrace`; Sentry's stack trace interface.

mod javascript;
mod python;
mod rust;

use std::borrow::Cow;

use watchpost_sentry::wire::Frame;

use super::limit::cut_json;
use crate::model::{ErrorInfo, StackFrame};

/// Most lines of a stack's text that are read.
const MAX_LINES: usize = 400;
/// Longest file, function, module or source line, in bytes of JSON.
const MAX_TEXT: usize = 256;

/// The frames of an error, oldest call first, at most `max` of them.
pub(super) fn frames(error: &ErrorInfo, max: usize) -> Vec<Frame<'_>> {
    let mut frames: Vec<_> = error.frames.iter().map(frame).collect();
    if frames.is_empty()
        && let Some(stack) = &error.stack
    {
        frames = read_stack(stack);
    }
    frames.retain(|frame| frame.filename.is_some() || frame.function.is_some() || frame.abs_path.is_some());
    if frames.len() > max {
        let oldest = max / 2;
        frames.drain(oldest..frames.len() - (max - oldest));
    }
    frames
}

fn frame(frame: &StackFrame) -> Frame<'_> {
    Frame {
        filename: frame.filename.as_deref().map(|path| cut_json(local_path(path), MAX_TEXT)),
        abs_path: frame.abs_path.as_deref().map(|path| cut_json(local_path(path), MAX_TEXT)),
        function: frame.function.as_deref().and_then(borrowed),
        module: frame.module.as_deref().and_then(borrowed),
        lineno: frame.lineno,
        colno: frame.colno,
        in_app: frame.in_app,
        context_line: frame.context_line.as_deref().and_then(borrowed),
    }
}

fn read_stack(stack: &str) -> Vec<Frame<'_>> {
    [python::read, rust::read, javascript::read]
        .iter()
        .map(|read| read(stack))
        .find(|frames| !frames.is_empty())
        .unwrap_or_default()
}

/// The path of a `file://` URL; anything else as it is.
fn local_path(path: &str) -> &str {
    let Some(rest) = path.strip_prefix("file://") else { return path };
    // `file:///C:/x` has a slash too many for Windows.
    match rest.as_bytes() {
        [b'/', drive, b':', ..] if drive.is_ascii_alphabetic() => &rest[1..],
        _ => rest,
    }
}

/// A frame at `path`, shown from behind the last of `libraries` (`node_modules/`) on, which also makes it not the host's.
fn frame_at<'a>(path: &'a str, libraries: &[&str], function: Option<&'a str>) -> Frame<'a> {
    let path = local_path(path);
    let library = libraries.iter().filter_map(|library| path.rfind(library)).max();
    Frame {
        filename: Some(cut_json(library.map_or(path, |start| &path[start..]), MAX_TEXT)),
        abs_path: Some(cut_json(path, MAX_TEXT)),
        function: function.map(|function| cut_json(function, MAX_TEXT)),
        in_app: Some(library.is_none()),
        ..Frame::default()
    }
}

/// `path:line:column` or `path:line`, from the end.
fn split_location(location: &str) -> Option<(&str, u32, Option<u32>)> {
    let (before, last) = location.rsplit_once(':')?;
    let last = last.parse().ok()?;
    match before.rsplit_once(':').and_then(|(path, line)| Some((path, line.parse().ok()?))) {
        Some((path, line)) if !path.is_empty() => Some((path, line, Some(last))),
        _ => (!before.is_empty()).then_some((before, last, None)),
    }
}

/// A text that says something, within its limit.
fn borrowed(text: &str) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then(|| cut_json(text, MAX_TEXT))
}

#[cfg(test)]
mod tests;
