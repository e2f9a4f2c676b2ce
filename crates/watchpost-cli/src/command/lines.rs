//! Lines of bounded length from any input.

use std::io::{self, BufRead as _, BufReader, Read as _};

/// A longer line is not an event; reading it whole would let a file fill the memory.
pub(super) const MAX_LINE_BYTES: u64 = 16 * 1024 * 1024;
/// What one read of the input asks for.
const READ_BYTES: usize = 256 * 1024;

/// A line without its newline.
pub(super) enum Line<'a> {
    /// Its bytes.
    Text(&'a [u8]),
    /// It was longer than [`MAX_LINE_BYTES`] and passed over.
    TooLong,
}

/// Reads an input line by line.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
}

impl<R: io::Read> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input: BufReader::with_capacity(READ_BYTES, input), line: Vec::new() }
    }

    /// The next line without its newline; `None` at the end.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let read = self.input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        if self.line.last() == Some(&b'\n') {
            self.line.pop();
            return Ok(Some(Line::Text(&self.line)));
        }
        if (read as u64) < MAX_LINE_BYTES {
            return Ok(Some(Line::Text(&self.line)));
        }
        self.skip_rest_of_line()?;
        Ok(Some(Line::TooLong))
    }

    fn skip_rest_of_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let (length, end) = match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.input.consume(length);
            if end {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<String> {
        let mut lines = Lines { input: BufReader::with_capacity(3, text), line: Vec::new() };
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            all.push(match line {
                Line::Text(text) => String::from_utf8_lossy(text).into_owned(),
                Line::TooLong => "too long".to_owned(),
            });
        }
        all
    }

    #[test]
    fn the_last_line_needs_no_newline() {
        assert_eq!(lines(b"a\n\nbc"), ["a", "", "bc"]);
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn a_line_over_the_bound_is_passed_over_and_the_next_one_is_read() {
        let mut text = vec![b'x'; MAX_LINE_BYTES as usize + 10];
        text.extend_from_slice(b"\nnext\n");
        assert_eq!(lines(&text), ["too long", "next"]);
    }
}
