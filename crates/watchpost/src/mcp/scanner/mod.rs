//! An incremental JSON scanner that keeps a few facts of a JSON-RPC message and skips the rest, in constant memory
//! and without recursion. Source: RFC 8259 (JSON), JSON-RPC 2.0 (messages and batches).

mod machine;
mod path;
mod scalar;
mod skip;
mod text;
mod value;

pub(super) use self::text::bounded_text;
use self::{
    path::{DEPTH, Node, Target},
    text::TextBuffer,
};
use super::{Capture, Field, Message, ObserverOptions};

/// Reads one frame after another, each in pieces of any size, and keeps of each message what [`Message`] lists.
///
/// A frame is a JSON-RPC message or a batch of them. Its bytes go to [`advance`](Self::advance); when the framing says
/// that it is complete, [`finish`](Self::finish) tells what it was.
///
/// Memory is constant: some KiB as a rule and 150 KiB at most, whatever a frame's size, depth or content, plus the bound
/// of a captured value when [`Capture`] asks for it. Containers are checked as JSON along the known paths only; within a value
/// that is skipped, brackets and strings are followed and nothing else is: an observer is no validator.
///
/// Speed (`examples/observe_throughput.rs`): 5 GB/s and more within long strings, a third of a microsecond for a short
/// message.
///
/// ```
/// use watchpost::mcp::{Field, Frame, ObserverOptions, Scanner};
///
/// let mut scanner = Scanner::new(&ObserverOptions::default());
/// for mut piece in [&br#"{"method":"pro"#[..], br#"mpts/get","id":7,"params":{"name":"greet"}}"#] {
///     assert!(scanner.advance(&mut piece).is_none(), "no batch");
/// }
/// let Frame::Message(message) = scanner.finish() else { panic!("a message") };
/// assert_eq!(message.text(Field::Name), Some("greet"));
/// ```
#[derive(Debug)]
pub struct Scanner {
    capture: Capture,
    /// Bound of a captured value.
    max_captured: usize,
    message: Message,
    state: State,
    /// The known containers that are open, outermost first.
    nodes: [Node; DEPTH],
    level: usize,
    /// What the value being read, or expected next, is for.
    target: Target,
    /// Brackets open within a value that is skipped.
    skipped_depth: u64,
    /// A key, text or scalar that is cut by the end of a piece or has escapes.
    buffer: TextBuffer,
    raw: Option<Raw>,
    raw_buffer: TextBuffer,
    /// Bytes of the frame before the piece at hand.
    offset: u64,
    /// Where in the frame the message begins.
    message_start: u64,
    /// Messages of the batch so far, when it is one.
    batch: Option<u64>,
}

/// What a frame was.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Frame<'s> {
    /// Nothing, or white space.
    Blank,
    /// One JSON object. It need not be a JSON-RPC message: see [`Message::kind`].
    Message(&'s Message),
    /// A batch, whose messages [`Scanner::advance`] returned.
    Batch {
        /// How many there were.
        messages: u64,
    },
    /// No JSON object and no batch of them, or not all of one. Messages of a batch before the fault were returned.
    Malformed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the frame's first byte. Bytes of a byte order mark seen.
    Start { mark: u8 },
    /// A value must follow.
    Value,
    /// A value or the array's end.
    FirstElement,
    /// A key or the object's end.
    FirstKey,
    /// A key.
    Key,
    /// In a key that goes through the buffer.
    KeyText,
    /// The colon behind a key.
    Colon,
    /// A comma or the container's end.
    Separator,
    /// In a text that goes through the buffer.
    Text,
    /// In the rest of a key too long to be known; behind a backslash or not.
    SkippedKey { escaped: bool },
    /// In a string that is skipped; behind a backslash or not.
    SkippedText { escaped: bool },
    /// In a number or literal, through the buffer.
    Scalar,
    /// In a container that is skipped.
    Skipped,
    /// Behind a message of a batch, not yet returned.
    MessageEnd,
    /// Behind the frame's value.
    Done,
    /// The frame is no JSON; the rest of it is ignored.
    Malformed,
}

/// A value whose raw JSON is being captured.
#[derive(Clone, Copy, Debug)]
struct Raw {
    field: Field,
    /// How many containers were open when it began: it ends at the same level.
    level: usize,
    /// Where in the piece at hand the part not yet buffered begins.
    from: usize,
}

impl Scanner {
    /// A scanner that captures content as `options` say: `capture` and `max_capture_bytes`.
    #[must_use]
    pub fn new(options: &ObserverOptions) -> Self {
        Self {
            capture: options.capture,
            max_captured: options.max_capture_bytes,
            message: Message::default(),
            state: State::Start { mark: 0 },
            nodes: [Node::Message; DEPTH],
            level: 0,
            target: Target::Ignored,
            skipped_depth: 0,
            buffer: TextBuffer::default(),
            raw: None,
            raw_buffer: TextBuffer::default(),
            offset: 0,
            message_start: 0,
            batch: None,
        }
    }

    /// Reads on in the frame. Returns each message of a batch as soon as it is complete, with `input` moved behind it;
    /// `None` once `input` is used up. A message that is no batch waits for [`finish`](Self::finish).
    pub fn advance(&mut self, input: &mut &[u8]) -> Option<&Message> {
        let piece = *input;
        if let Some(raw) = &mut self.raw {
            raw.from = 0;
        }
        let (used, complete) = self.run(piece);
        if let Some(raw) = self.raw {
            self.raw_buffer.push(&piece[raw.from.min(used)..used]);
        }
        self.offset += used as u64;
        *input = &piece[used..];
        complete.then_some(&self.message)
    }

    /// The frame is complete: what it was. The next byte begins another.
    pub fn finish(&mut self) -> Frame<'_> {
        let state = std::mem::replace(&mut self.state, State::Start { mark: 0 });
        let batch = self.batch.take();
        self.level = 0;
        self.skipped_depth = 0;
        self.raw = None;
        self.offset = 0;
        match (state, batch) {
            (State::Start { mark: 0 | 3 }, _) => Frame::Blank,
            (State::Done, Some(messages)) => Frame::Batch { messages },
            (State::Done, None) => Frame::Message(&self.message),
            _ => Frame::Malformed,
        }
    }

    /// Bytes the scanner's buffers hold at the moment; bounded, see [`Scanner`].
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.message.buffered_bytes() + self.buffer.capacity() + self.raw_buffer.capacity()
    }
}
