//! What a server writes to its stdout that is no MCP message: counted, and the first line kept for a warning.
//! Source: MCP "Transports", stdio: "The server MUST NOT write anything to its stdout that is not a valid MCP message."

/// Bytes kept of the first line: 200 characters, whatever they are.
pub(crate) const FIRST_LINE_BYTES: usize = 800;

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
    /// The first of them as it was written, at most 800 bytes: secrets, escape sequences and all. What is no UTF-8 is
    /// replaced; of a longer line the last word goes, lest half a secret passes for none.
    pub first_line: Option<String>,
}

impl StrayOutput {
    /// Whether there was none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lines == 0
    }

    /// A stray line of `length` bytes that begins with `head`.
    pub(crate) fn record(&mut self, head: &[u8], length: u64) {
        self.lines += 1;
        self.bytes += length;
        if self.first_line.is_none() {
            let mut line = &head[..head.len().min(FIRST_LINE_BYTES)];
            if length > line.len() as u64 {
                let last_space = line.iter().rposition(u8::is_ascii_whitespace);
                line = &line[..last_space.unwrap_or(line.len())];
            }
            self.first_line = Some(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_kept_as_it_was_written() {
        let mut stray = StrayOutput::default();
        assert!(stray.is_empty());
        stray.record(b"\x1b[31mServer\tready\xff\x1b[0m\r", 22);
        stray.record(b"again", 5);
        assert_eq!(stray.first_line.as_deref(), Some("\x1b[31mServer\tready\u{fffd}\x1b[0m"));
        assert_eq!((stray.lines, stray.bytes), (2, 27));
    }

    #[test]
    fn of_a_long_first_line_whole_words_are_kept() {
        let mut stray = StrayOutput::default();
        let line = format!("{} ghp_{}", "x".repeat(790), "A".repeat(40));
        stray.record(line.as_bytes(), line.len() as u64);
        assert_eq!(stray.first_line, Some("x".repeat(790)));

        let mut wordless = StrayOutput::default();
        wordless.record("😀".repeat(500).as_bytes(), 2000);
        assert_eq!(wordless.first_line, Some("😀".repeat(200)));
    }
}
