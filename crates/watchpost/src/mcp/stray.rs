//! What a server writes to its stdout that is no MCP message: counted, and the first line kept for a warning.
//! Source: MCP "Transports", stdio: "The server MUST NOT write anything to its stdout that is not a valid MCP message."

/// Characters kept of the first line.
const FIRST_LINE_CHARS: usize = 200;
/// Bytes that hold them, whatever they are.
pub(super) const FIRST_LINE_BYTES: usize = FIRST_LINE_CHARS * 4;

/// Lines on the server's stdout that are no MCP message: log output, a stack trace, pretty-printed JSON.
///
/// Clients fail on such lines or skip them; either way the server's owner wants to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StrayOutput {
    /// How many lines.
    pub lines: u64,
    /// How many bytes they have, without the ends of lines.
    pub bytes: u64,
    /// The first of them, cut to 200 characters, control characters escaped (`\u{1b}`).
    pub first_line: Option<String>,
}

impl StrayOutput {
    /// Whether there was none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// A stray line of `length` bytes that begins with `head`.
    pub(super) fn record(&mut self, head: &[u8], length: u64) {
        self.lines += 1;
        self.bytes += length;
        if self.first_line.is_none() {
            self.first_line = Some(escape(head));
        }
    }
}

fn escape(line: &[u8]) -> String {
    let line = &line[..line.len().min(FIRST_LINE_BYTES)];
    let text = String::from_utf8_lossy(line.trim_ascii_end());
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars().take(FIRST_LINE_CHARS) {
        if character.is_control() {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_kept_readable_and_short() {
        let mut stray = StrayOutput::default();
        assert!(stray.is_empty());
        stray.record(b"\x1b[31mServer\tready\x1b[0m\r", 21);
        stray.record(b"again", 5);
        assert_eq!(stray.first_line.as_deref(), Some("\\u{1b}[31mServer\\tready\\u{1b}[0m"));
        assert_eq!((stray.lines, stray.bytes), (2, 26));

        let mut long = StrayOutput::default();
        long.record("😀".repeat(500).as_bytes(), 2000);
        assert_eq!(long.first_line, Some("😀".repeat(200)));
    }
}
