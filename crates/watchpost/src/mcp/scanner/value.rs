//! The scanner's values: texts and scalars that are kept, raw JSON that is captured.

use super::{
    Raw, Scanner, State,
    path::{Node, Target},
    scalar::{Scalar, is_scalar_byte},
    text::{Decoded, bounded_text},
};
use crate::{
    json::find::find_quote_or_backslash,
    mcp::{
        Field,
        content::TYPE_LIMIT,
        message::{IdKind, flag},
    },
};

/// Bytes kept of a number: more than any number with a meaning has.
const SCALAR_LIMIT: usize = 512;
/// Bytes kept of `error.data`.
const ERROR_DATA_LIMIT: usize = Field::ErrorData.limit();

impl Scanner {
    pub(super) fn begin_value(&mut self, piece: &[u8], at: usize) -> usize {
        let byte = piece[at];
        if self.level == 1 && self.batch.is_some() {
            // An element of a batch.
            return if byte == b'{' { self.begin_message(at) } else { self.fail(at) };
        }
        self.note_value(byte, at);
        match byte {
            b'"' => self.begin_text(piece, at + 1),
            b'{' | b'[' => self.begin_container(byte, at),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                self.buffer.begin(SCALAR_LIMIT);
                self.state = State::Scalar;
                at
            }
            _ => self.fail(at),
        }
    }

    /// Keeps what a value's presence and kind already tell, and begins to capture it raw.
    fn note_value(&mut self, byte: u8, at: usize) {
        let raw = match self.target {
            Target::Raw(Field::Arguments) => self.capture.inputs.then_some((Field::Arguments, self.max_captured)),
            Target::Raw(field) => Some((field, ERROR_DATA_LIMIT)),
            Target::Result => {
                self.message.flags |= flag::RESULT;
                self.capture.outputs.then_some((Field::Result, self.max_captured))
            }
            Target::Error => {
                self.message.flags |= flag::ERROR_KEY | if byte == b'n' { 0 } else { flag::ERROR };
                None
            }
            Target::StructuredContent if byte != b'n' => {
                self.message.flags |= flag::STRUCTURED_CONTENT;
                None
            }
            Target::Id(field) if byte == b'{' || byte == b'[' => {
                self.set_id(field, IdKind::Invalid);
                None
            }
            _ => None,
        };
        if let Some((field, limit)) = raw {
            self.raw_buffer.begin(limit);
            self.raw = Some(Raw { field, level: self.level, from: at });
        }
    }

    fn begin_container(&mut self, byte: u8, at: usize) -> usize {
        let node = match self.target {
            Target::Container(node) => Some(node),
            Target::Result => Some(Node::Result),
            Target::Error => Some(Node::Error),
            _ => None,
        };
        match node.filter(|node| node.is_array() == (byte == b'[')) {
            Some(node) => {
                match node {
                    Node::Content => self.message.content.begin(),
                    Node::Messages => self.message.messages = Some(0),
                    Node::Contents => self.message.contents = Some(0),
                    _ => {}
                }
                self.open(node);
            }
            None => {
                self.skipped_depth = 1;
                self.state = State::Skipped;
            }
        }
        at + 1
    }

    /// How many bytes of the string at hand to keep, or `None` to skip it.
    fn text_limit(&self) -> Option<usize> {
        match self.target {
            Target::Text(field) | Target::Id(field) => Some(field.limit()),
            Target::Error => Some(Field::ErrorMessage.limit()),
            Target::BlockType => Some(TYPE_LIMIT),
            Target::BlockText => Some(self.message.content.text_room()).filter(|&room| room > 0),
            _ => None,
        }
    }

    /// `at` is behind the opening quote.
    fn begin_text(&mut self, piece: &[u8], at: usize) -> usize {
        let Some(limit) = self.text_limit() else {
            self.state = State::SkippedText { escaped: false };
            return at;
        };
        // Nearly always the string ends in this piece and has no escapes: then it needs no buffer.
        if let Some(length) = find_quote_or_backslash(&piece[at..])
            && piece[at + length] == b'"'
        {
            self.keep_text(&bounded_text(&piece[at..at + length], limit));
            return self.end_value(piece, at + length + 1);
        }
        self.buffer.begin(limit);
        self.state = State::Text;
        at
    }

    pub(super) fn read_text(&mut self, piece: &[u8], at: usize) -> usize {
        let (used, whole) = match self.buffer.decode(&piece[at..]) {
            Decoded::Partly => return piece.len(),
            Decoded::Whole(used) => (used, true),
            Decoded::Enough(used) => (used, false),
        };
        let buffer = std::mem::take(&mut self.buffer);
        self.keep_text(&buffer.text());
        self.buffer = buffer;
        if whole {
            return self.end_value(piece, at + used);
        }
        self.state = State::SkippedText { escaped: false };
        at + used
    }

    fn keep_text(&mut self, text: &str) {
        match self.target {
            Target::Text(field) => self.message.set(field, text),
            Target::Id(field) => {
                self.message.set(field, text);
                self.set_id(field, IdKind::Text);
            }
            Target::Error => self.message.set(Field::ErrorMessage, text),
            Target::BlockType => self.message.content.set_type(text),
            Target::BlockText => self.message.content.set_text(text),
            _ => {}
        }
    }

    fn set_id(&mut self, field: Field, kind: IdKind) {
        match field {
            Field::Id => self.message.id = kind,
            Field::CancelledId => self.message.cancelled_id = kind,
            _ => {}
        }
    }

    pub(super) fn read_scalar(&mut self, piece: &[u8], at: usize) -> usize {
        let rest = &piece[at..];
        let length = rest.iter().position(|&byte| !is_scalar_byte(byte)).unwrap_or(rest.len());
        self.buffer.push(&rest[..length]);
        if length == rest.len() {
            return piece.len();
        }
        let buffer = std::mem::take(&mut self.buffer);
        let kept = self.keep_scalar(buffer.bytes());
        self.buffer = buffer;
        // What ends a scalar is not part of it.
        if kept { self.end_value(piece, at + length) } else { self.fail(at + length) }
    }

    /// Keeps a number or literal; whether it is one.
    fn keep_scalar(&mut self, bytes: &[u8]) -> bool {
        let cut = bytes.len() > SCALAR_LIMIT;
        let scalar = if cut { Some(Scalar::Number) } else { Scalar::parse(bytes) };
        let Some(scalar) = scalar else {
            return false;
        };
        match (self.target, scalar) {
            (Target::Id(field), Scalar::Number) => {
                let text = bounded_text(bytes, SCALAR_LIMIT);
                self.message.set(field, &text);
                self.set_id(field, IdKind::Number);
            }
            (Target::Id(field), Scalar::Null) => self.set_id(field, IdKind::Null),
            (Target::Id(field), Scalar::Bool(_)) => self.set_id(field, IdKind::Invalid),
            (Target::IsError, Scalar::Bool(true)) => self.message.flags |= flag::IS_ERROR,
            (Target::ErrorCode, Scalar::Number) => {
                self.message.error_code = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok());
            }
            _ => {}
        }
        true
    }

    /// A value of a known container, or the frame's own, ends before `end`.
    pub(super) fn end_value(&mut self, piece: &[u8], end: usize) -> usize {
        if let Some(raw) = self.raw
            && raw.level == self.level
        {
            self.raw_buffer.push(&piece[raw.from..end]);
            self.message.set(raw.field, &self.raw_buffer.text());
            self.raw = None;
        }
        self.state = match self.level {
            0 => State::Done,
            1 if self.batch.is_some() => State::MessageEnd,
            _ => State::Separator,
        };
        end
    }
}
