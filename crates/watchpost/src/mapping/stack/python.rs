//! CPython's format: `  File "path", line 1, in function` and the source line, oldest call first. Of chained tracebacks the
//! last one belongs to the exception that was raised.

use watchpost_sentry::wire::Frame;

use super::{MAX_LINES, borrowed, frame_at};

const HEADER: &str = "Traceback (most recent call last):";
/// Paths from here on are libraries.
const LIBRARIES: &[&str] = &["site-packages/", "dist-packages/", "site-packages\\"];

pub(super) fn read(stack: &str) -> Vec<Frame<'_>> {
    let Some(start) = stack.rfind(HEADER) else { return Vec::new() };
    let mut frames = Vec::new();
    for line in stack[start + HEADER.len()..].lines().skip(1).take(MAX_LINES) {
        if !line.starts_with(' ') {
            break;
        }
        let line = line.trim();
        if let Some(frame) = read_call(line) {
            frames.push(frame);
        } else if let Some(frame) = frames.last_mut()
            && frame.context_line.is_none()
            && !line.starts_with(['^', '~'])
        {
            frame.context_line = borrowed(line);
        }
    }
    frames
}

fn read_call(line: &str) -> Option<Frame<'_>> {
    let (path, rest) = line.strip_prefix("File \"")?.split_once("\", line ")?;
    let (number, function) = match rest.split_once(", in ") {
        Some((number, function)) => (number, Some(function)),
        None => (rest, None),
    };
    let mut frame = frame_at(path, LIBRARIES, function);
    frame.lineno = Some(number.parse().ok()?);
    if path.starts_with('<') || path.contains("/lib/python3") {
        frame.in_app = Some(false);
    }
    Some(frame)
}
