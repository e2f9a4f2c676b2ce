//! The scanner's state machine: one step for each token, along the known containers and their keys.
//! Source: RFC 8259, §2; `value` and `skip` have the steps within values.

use super::{
    Scanner, State,
    path::{Node, Target},
    text::Decoded,
};
use crate::json::find::find_quote_or_backslash;

/// The longest key of the table has 41 bytes; a longer one is unknown.
const KEY_LIMIT: usize = 64;

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

impl Scanner {
    /// Reads `piece` to its end, or to the end of a batch's message: how many bytes, and whether it is that.
    pub(super) fn run(&mut self, piece: &[u8]) -> (usize, bool) {
        let mut at = 0;
        loop {
            if self.state == State::MessageEnd {
                self.state = State::Separator;
                return (at, true);
            }
            let Some(&byte) = piece.get(at) else {
                return (at, false);
            };
            at = match self.state {
                State::Skipped => self.skip_container(piece, at),
                State::SkippedText { escaped } => self.skip_text(piece, at, escaped),
                State::SkippedKey { escaped } => self.skip_key(piece, at, escaped),
                State::KeyText => self.read_key(piece, at),
                State::Text => self.read_text(piece, at),
                State::Scalar => self.read_scalar(piece, at),
                State::Malformed => return (piece.len(), false),
                State::Start { mark: mark @ 0..3 } if byte == BYTE_ORDER_MARK[usize::from(mark)] => {
                    self.begin_mark(mark, at)
                }
                State::Start { mark: 1 | 2 } => self.fail(at),
                _ if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') => at + 1,
                State::Start { .. } => self.begin_frame(byte, at),
                State::Value => self.begin_value(piece, at),
                State::FirstElement if byte == b']' => self.end_container(piece, at),
                State::FirstElement => self.begin_element(piece, at),
                State::FirstKey if byte == b'}' => self.end_container(piece, at),
                State::FirstKey | State::Key => self.begin_key(piece, at),
                State::Colon if byte == b':' => {
                    self.state = State::Value;
                    at + 1
                }
                State::Separator if byte == b',' => self.begin_next(piece, at),
                State::Separator => self.end_container(piece, at),
                State::Colon | State::MessageEnd | State::Done => self.fail(at),
            };
        }
    }

    /// The frame is no JSON.
    pub(super) fn fail(&mut self, at: usize) -> usize {
        self.state = State::Malformed;
        at + 1
    }

    /// A byte of a byte order mark, which must be the frame's very first.
    fn begin_mark(&mut self, mark: u8, at: usize) -> usize {
        if self.offset + at as u64 != u64::from(mark) {
            return self.fail(at);
        }
        self.state = State::Start { mark: mark + 1 };
        at + 1
    }

    fn begin_frame(&mut self, byte: u8, at: usize) -> usize {
        match byte {
            b'{' => self.begin_message(at),
            b'[' => {
                self.batch = Some(0);
                self.open(Node::Batch);
                at + 1
            }
            _ => self.fail(at),
        }
    }

    pub(super) fn begin_message(&mut self, at: usize) -> usize {
        self.message.clear();
        self.message_start = self.offset + at as u64;
        self.open(Node::Message);
        at + 1
    }

    pub(super) fn open(&mut self, node: Node) {
        self.nodes[self.level] = node;
        self.level += 1;
        self.state = if node.is_array() { State::FirstElement } else { State::FirstKey };
    }

    /// The innermost open container. One is open in every state in which it is asked for.
    fn node(&self) -> Node {
        self.nodes[self.level.saturating_sub(1)]
    }

    fn end_container(&mut self, piece: &[u8], at: usize) -> usize {
        let node = self.node();
        if piece[at] != if node.is_array() { b']' } else { b'}' } {
            return self.fail(at);
        }
        self.level -= 1;
        match node {
            Node::Block => self.message.content.end_block(),
            Node::Message => {
                self.message.bytes = self.offset + at as u64 + 1 - self.message_start;
                self.batch = self.batch.map(|messages| messages + 1);
            }
            // JSON-RPC knows no empty batch.
            Node::Batch if self.batch == Some(0) => return self.fail(at),
            _ => {}
        }
        self.end_value(piece, at + 1)
    }

    /// A comma: the next key or element.
    fn begin_next(&mut self, piece: &[u8], at: usize) -> usize {
        if self.node().is_array() {
            self.state = State::Value;
            self.count_element();
        } else if piece.get(at + 1) == Some(&b'"') {
            return self.begin_key(piece, at + 1);
        } else {
            self.state = State::Key;
        }
        at + 1
    }

    fn begin_element(&mut self, piece: &[u8], at: usize) -> usize {
        self.count_element();
        self.begin_value(piece, at)
    }

    fn count_element(&mut self) {
        let count = |count: &mut Option<u64>| *count = count.map(|count| count + 1);
        self.target = match self.node() {
            Node::Batch => Target::Container(Node::Message),
            Node::Content => {
                self.message.content.begin_element();
                Target::Container(Node::Block)
            }
            Node::Messages => {
                count(&mut self.message.messages);
                Target::Ignored
            }
            _ => {
                count(&mut self.message.contents);
                Target::Ignored
            }
        };
    }

    fn begin_key(&mut self, piece: &[u8], at: usize) -> usize {
        if piece[at] != b'"' {
            return self.fail(at);
        }
        let rest = &piece[at + 1..];
        if let Some(end) = find_quote_or_backslash(rest)
            && rest[end] == b'"'
        {
            self.end_key(&rest[..end]);
            let behind = at + end + 2;
            // Nearly always the colon is next, and in this piece.
            if piece.get(behind) == Some(&b':') {
                self.state = State::Value;
                return behind + 1;
            }
            return behind;
        }
        self.buffer.begin(KEY_LIMIT);
        self.state = State::KeyText;
        at + 1
    }

    fn read_key(&mut self, piece: &[u8], at: usize) -> usize {
        let (used, whole) = match self.buffer.decode(&piece[at..]) {
            Decoded::Partly => return piece.len(),
            Decoded::Whole(used) => (used, true),
            Decoded::Enough(used) => (used, false),
        };
        let buffer = std::mem::take(&mut self.buffer);
        self.end_key(buffer.bytes());
        self.buffer = buffer;
        if !whole {
            self.state = State::SkippedKey { escaped: false };
        }
        at + used
    }

    fn end_key(&mut self, key: &[u8]) {
        self.target = self.node().member(key);
        self.target.forget(&mut self.message);
        self.state = State::Colon;
    }
}
