//! `std::backtrace`'s format: `  3: function` and `             at path:line:column` below it, newest call first.

use watchpost_sentry::wire::Frame;

use super::{MAX_LINES, borrowed, frame_at, split_location};

/// Paths from here on are libraries.
const LIBRARIES: &[&str] = &["/rustc/", "/.cargo/registry/src/", "/.cargo/git/checkouts/", "/rustlib/src/"];

pub(super) fn read(stack: &str) -> Vec<Frame<'_>> {
    let mut frames: Vec<Frame<'_>> = Vec::new();
    let mut has_place = false;
    for line in stack.lines().take(MAX_LINES).map(str::trim) {
        if let Some(function) = read_function(line) {
            frames.push(Frame { function: borrowed(function), in_app: Some(false), ..Frame::default() });
        } else if let Some((path, line, column)) = line.strip_prefix("at ").and_then(split_location)
            && let Some(frame) = frames.last_mut().filter(|frame| frame.abs_path.is_none())
        {
            let function = frame.function.take();
            *frame = Frame { function, lineno: Some(line), colno: column, ..frame_at(path, LIBRARIES, None) };
            has_place = true;
        }
    }
    // Numbered lines alone can be anything, a list in a message for example.
    if !has_place {
        return Vec::new();
    }
    frames.reverse();
    frames
}

/// The function of `3: alloc::boxed::Box::call::h0123456789abcdef`, without the number and the hash.
fn read_function(line: &str) -> Option<&str> {
    let (number, function) = line.split_once(": ")?;
    number.parse::<u16>().ok()?;
    let function = function.trim();
    let is_hash = |hash: &str| {
        hash.len() == 17 && hash.starts_with('h') && hash[1..].bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    match function.rsplit_once("::") {
        Some((path, hash)) if is_hash(hash) => Some(path),
        _ => Some(function),
    }
}
