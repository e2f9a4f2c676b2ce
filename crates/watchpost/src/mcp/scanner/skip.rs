//! What the scanner passes over: strings and containers that nobody asked for. The hot path: a frame's bulk is
//! arguments and results (`examples/observe_throughput.rs`).

use super::{Scanner, State};
use crate::json::find::{find_quote_or_backslash, find_quote_or_bracket};

impl Scanner {
    pub(super) fn skip_key(&mut self, piece: &[u8], at: usize, escaped: bool) -> usize {
        match string_end(piece, at, escaped) {
            Ok(end) => {
                self.state = State::Colon;
                end
            }
            Err(escaped) => {
                self.state = State::SkippedKey { escaped };
                piece.len()
            }
        }
    }

    pub(super) fn skip_text(&mut self, piece: &[u8], at: usize, escaped: bool) -> usize {
        match string_end(piece, at, escaped) {
            Ok(end) if self.skipped_depth > 0 => {
                self.state = State::Skipped;
                end
            }
            Ok(end) => self.end_value(piece, end),
            Err(escaped) => {
                self.state = State::SkippedText { escaped };
                piece.len()
            }
        }
    }

    /// Follows brackets and strings to the container's end.
    pub(super) fn skip_container(&mut self, piece: &[u8], at: usize) -> usize {
        let mut at = at;
        loop {
            let Some(found) = find_quote_or_bracket(&piece[at..]) else {
                return piece.len();
            };
            at += found;
            match piece[at] {
                b'"' => {
                    at = self.skip_text(piece, at + 1, false);
                    if self.state != State::Skipped {
                        return at;
                    }
                    continue;
                }
                b'{' | b'[' => self.skipped_depth += 1,
                _ => self.skipped_depth -= 1,
            }
            at += 1;
            if self.skipped_depth == 0 {
                return self.end_value(piece, at);
            }
        }
    }
}

/// Where the string ends that goes on at `at`, behind its quote; or, when that is in another piece, whether this one
/// ends with a backslash.
#[inline]
fn string_end(piece: &[u8], at: usize, escaped: bool) -> Result<usize, bool> {
    let mut at = at + usize::from(escaped);
    while let Some(found) = piece.get(at..).and_then(find_quote_or_backslash) {
        at += found;
        if piece[at] == b'"' {
            return Ok(at + 1);
        }
        at += 2;
    }
    Err(at > piece.len())
}
