//! JSON-RPC lines of exact size whose id is patched in place, so that neither side spends time on making them.
//! Ids have ten digits: they fit any frame and are valid JSON numbers.

/// What every frame with an id begins with.
pub(super) const ID_PREFIX: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":";
/// Digits of an id.
pub(super) const ID_DIGITS: usize = 10;
/// The first id.
pub(super) const FIRST_ID: u64 = 1_000_000_000;

const TEXT: &[u8] = b"Orders of the last seven days that were paid but not shipped, newest first. ";

/// One line, newline included.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    bytes: Vec<u8>,
}

impl Frame {
    /// A `tools/call` of exactly `size` bytes (at least about 120), for a tool that says the text back.
    pub(super) fn call(size: usize) -> Self {
        Self::padded(
            ",\"method\":\"tools/call\",\"params\":{\"name\":\"echo\",\"arguments\":{\"text\":\"",
            "\"}}}\n",
            size,
        )
    }

    /// A tool's result of exactly `size` bytes (at least about 100).
    pub(super) fn answer(size: usize) -> Self {
        Self::padded(",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"", "\"}],\"isError\":false}}\n", size)
    }

    /// A frame that goes on after its id like this.
    pub(super) fn whole(after_id: &str) -> Self {
        Self::padded(after_id, "\n", 0)
    }

    fn padded(after_id: &str, end: &str, size: usize) -> Self {
        let mut bytes = ID_PREFIX.to_vec();
        bytes.extend_from_slice(FIRST_ID.to_string().as_bytes());
        bytes.extend_from_slice(after_id.as_bytes());
        let padding = size.saturating_sub(bytes.len() + end.len());
        bytes.extend(TEXT.iter().cycle().take(padding));
        bytes.extend_from_slice(end.as_bytes());
        Self { bytes }
    }

    /// The line with `id` in it.
    pub(super) fn with_id(&mut self, id: u64) -> &[u8] {
        let mut rest = id;
        for digit in self.bytes[ID_PREFIX.len()..ID_PREFIX.len() + ID_DIGITS].iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        &self.bytes
    }
}

/// The id of a line of ours; `None` of any other line.
pub(super) fn id_of(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(ID_PREFIX)?.get(..ID_DIGITS)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_exactly_the_size_asked_for_and_are_json() {
        for size in [200, 450, 1024] {
            for mut frame in [Frame::call(size), Frame::answer(size)] {
                let line = frame.with_id(FIRST_ID + 17).to_vec();
                assert_eq!(line.len(), size);
                assert_eq!(line.last(), Some(&b'\n'));
                let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
                assert_eq!(value["id"], FIRST_ID + 17);
                assert_eq!(id_of(&line), Some(FIRST_ID + 17));
            }
        }
    }

    #[test]
    fn a_line_without_our_id_has_none() {
        assert_eq!(id_of(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n"), None);
        assert_eq!(id_of(b""), None);
    }
}
