//! What the scanner keeps of one JSON-RPC message: a fixed set of bounded facts, in buffers that are used again.
//! Source: the MCP schema (2024-11-05 to 2026-07-28), W3C Trace Context in `_meta` (SEP-414).

use super::{Content, RequestId};

macro_rules! fields {
    ($($(#[$doc:meta])+ $field:ident: $limit:expr,)+) => {
        /// A text at a known place of a message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Field { $($(#[$doc])+ $field,)+ }

        impl Field {
            /// Every field.
            pub const ALL: &[Self] = &[$(Self::$field,)+];
            const COUNT: usize = Self::ALL.len();

            /// How many bytes of the text are kept; a longer one is cut and ends in `…`.
            #[must_use]
            pub const fn limit(self) -> usize {
                match self { $(Self::$field => $limit,)+ }
            }

            /// The field's bit among those present.
            pub(super) const fn bit(self) -> u64 {
                1 << self as u8
            }
        }
    };
}

// A bit of a `u64` for each: at most 64.
fields! {
    /// `jsonrpc`.
    JsonRpc: 16,
    /// `id`, a number as it was written; [`Message::id`] compares.
    Id: 512,
    /// `method`.
    Method: 256,
    /// `params.name`: a tool's or a prompt's name.
    Name: 1024,
    /// `params.uri`: a resource's.
    Uri: 2048,
    /// `params.ref.type` of `completion/complete`.
    RefType: 64,
    /// `params.ref.name`.
    RefName: 1024,
    /// `params.ref.uri`.
    RefUri: 2048,
    /// `params.level` of `logging/setLevel`.
    Level: 64,
    /// `params.taskId`.
    TaskId: 256,
    /// `params.requestId` of `notifications/cancelled`; [`Message::cancelled_id`] compares.
    CancelledId: 512,
    /// `params.reason` of `notifications/cancelled`.
    CancelReason: 1024,
    /// `params.protocolVersion` of `initialize`.
    ProtocolVersion: 64,
    /// `params.clientInfo.name` of `initialize`.
    ClientName: 256,
    /// `params.clientInfo.title`.
    ClientTitle: 256,
    /// `params.clientInfo.version`.
    ClientVersion: 256,
    /// `params._meta["io.modelcontextprotocol/protocolVersion"]`.
    MetaProtocolVersion: 64,
    /// `params._meta["io.modelcontextprotocol/clientInfo"].name`.
    MetaClientName: 256,
    /// `params._meta["io.modelcontextprotocol/clientInfo"].title`.
    MetaClientTitle: 256,
    /// `params._meta["io.modelcontextprotocol/clientInfo"].version`.
    MetaClientVersion: 256,
    /// `params._meta.traceparent`.
    TraceParent: 256,
    /// `params._meta["sentry-trace"]`.
    SentryTrace: 256,
    /// `params._meta.baggage`.
    Baggage: 2048,
    /// `params._meta["claudecode/toolUseId"]`: the model's own id of its tool call.
    ToolUseId: 256,
    /// `params._meta.progressToken`.
    ProgressToken: 512,
    /// `params.arguments`, raw JSON; kept only with [`Capture::inputs`](super::Capture), up to its own bound.
    Arguments: 0,
    /// `result.resultType`.
    ResultType: 64,
    /// `result.protocolVersion`.
    ResultProtocolVersion: 64,
    /// `result.serverInfo.name`.
    ServerName: 256,
    /// `result.serverInfo.title`.
    ServerTitle: 256,
    /// `result.serverInfo.version`.
    ServerVersion: 256,
    /// `result._meta["io.modelcontextprotocol/serverInfo"].name`.
    MetaServerName: 256,
    /// `result._meta["io.modelcontextprotocol/serverInfo"].title`.
    MetaServerTitle: 256,
    /// `result._meta["io.modelcontextprotocol/serverInfo"].version`.
    MetaServerVersion: 256,
    /// `result.task.taskId`: the task a call became.
    ResultTaskId: 256,
    /// `result.task.status`.
    ResultTaskStatus: 64,
    /// `result`, raw JSON; kept only with [`Capture::outputs`](super::Capture), up to its own bound.
    Result: 0,
    /// `error.message`, or `error` itself where a peer sends a string.
    ErrorMessage: 8 * 1024,
    /// `error.data`, raw JSON.
    ErrorData: 2 * 1024,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageKind {
    /// A method and an id.
    Request,
    /// A method without an id.
    Notification,
    /// A result or an error.
    Response,
    /// An object that is no JSON-RPC message.
    Other,
}

/// What an id's place held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum IdKind {
    #[default]
    Absent,
    Null,
    Number,
    Text,
    /// A boolean, an object or an array: no id.
    Invalid,
}

/// Yes-or-no facts, as bits.
pub(super) mod flag {
    pub(crate) const RESULT: u8 = 1;
    pub(crate) const ERROR_KEY: u8 = 1 << 1;
    pub(crate) const ERROR: u8 = 1 << 2;
    pub(crate) const IS_ERROR: u8 = 1 << 3;
    pub(crate) const STRUCTURED_CONTENT: u8 = 1 << 4;
}

/// What is known of one JSON-RPC message. Where a key repeats, the last one counts, as in every common JSON parser.
#[derive(Debug, Default)]
pub struct Message {
    /// Bits of the [`Field`]s present; the texts of others are left over from an earlier message.
    present: u64,
    texts: Texts,
    pub(super) id: IdKind,
    pub(super) cancelled_id: IdKind,
    pub(super) flags: u8,
    pub(super) error_code: Option<i64>,
    pub(super) content: Content,
    pub(super) messages: Option<u64>,
    pub(super) contents: Option<u64>,
    pub(super) bytes: u64,
}

#[derive(Debug)]
struct Texts([String; Field::COUNT]);

impl Default for Texts {
    fn default() -> Self {
        Self([const { String::new() }; Field::COUNT])
    }
}

impl Message {
    /// What the message is. A method wins over a result, and an id that is no id makes it [`MessageKind::Other`].
    #[must_use]
    pub fn kind(&self) -> MessageKind {
        if self.id == IdKind::Invalid {
            return MessageKind::Other;
        }
        let answers = self.flags & (flag::RESULT | flag::ERROR_KEY) != 0;
        match (self.present & Field::Method.bit() != 0, answers) {
            (true, _) if self.id == IdKind::Absent => MessageKind::Notification,
            (true, _) => MessageKind::Request,
            (false, true) => MessageKind::Response,
            (false, false) => MessageKind::Other,
        }
    }

    /// The text at `field`, if it is there and is of the right type.
    #[must_use]
    pub fn text(&self, field: Field) -> Option<&str> {
        (self.present & field.bit() != 0).then(|| self.texts.0[field as usize].as_str())
    }

    /// `id`, if there is one.
    #[must_use]
    pub fn id(&self) -> Option<RequestId> {
        self.request_id(self.id, Field::Id)
    }

    /// `params.requestId`: the call a `notifications/cancelled` ends.
    #[must_use]
    pub fn cancelled_id(&self) -> Option<RequestId> {
        self.request_id(self.cancelled_id, Field::CancelledId)
    }

    /// Whether there is an `error` that is not `null`.
    #[must_use]
    pub const fn has_error(&self) -> bool {
        self.flags & flag::ERROR != 0
    }

    /// Whether there is a `result`, of any type.
    #[must_use]
    pub const fn has_result(&self) -> bool {
        self.flags & flag::RESULT != 0
    }

    /// Whether `result.isError` is `true`.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        self.flags & flag::IS_ERROR != 0
    }

    /// Whether `result.structuredContent` is there and not `null`.
    #[must_use]
    pub const fn has_structured_content(&self) -> bool {
        self.flags & flag::STRUCTURED_CONTENT != 0
    }

    /// `error.code`, if it is a whole number.
    #[must_use]
    pub const fn error_code(&self) -> Option<i64> {
        self.error_code
    }

    /// `result.content`: the blocks kept and how many there are.
    #[must_use]
    pub const fn content(&self) -> &Content {
        &self.content
    }

    /// How many elements `result.content`, `result.messages` or `result.contents` has: the first that is an array.
    #[must_use]
    pub fn content_count(&self) -> Option<u64> {
        self.content.count().or(self.messages).or(self.contents)
    }

    /// The message's own size in bytes, from `{` to `}`.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    fn request_id(&self, kind: IdKind, field: Field) -> Option<RequestId> {
        let text = &self.texts.0[field as usize];
        match kind {
            IdKind::Absent | IdKind::Invalid => None,
            IdKind::Null => Some(RequestId::Null),
            IdKind::Number => Some(RequestId::from_number(text)),
            IdKind::Text => Some(RequestId::Text(text.as_str().into())),
        }
    }

    /// Keeps `text` at `field`, in the place of any before.
    pub(super) fn set(&mut self, field: Field, text: &str) {
        let kept = &mut self.texts.0[field as usize];
        kept.clear();
        kept.push_str(text);
        self.present |= field.bit();
    }

    /// Forgets the fields of `bits`: their place is being written anew.
    pub(super) const fn forget(&mut self, bits: u64) {
        self.present &= !bits;
    }

    /// Empties the message for the next one, keeping its buffers unless a large capture swelled them.
    pub(super) fn clear(&mut self) {
        const KEEP: usize = 64 * 1024;
        for field in [Field::Arguments, Field::Result] {
            let text = &mut self.texts.0[field as usize];
            if text.capacity() > KEEP {
                *text = String::new();
            }
        }
        self.present = 0;
        (self.id, self.cancelled_id) = (IdKind::Absent, IdKind::Absent);
        self.flags = 0;
        self.error_code = None;
        self.content.clear();
        (self.messages, self.contents) = (None, None);
        self.bytes = 0;
    }

    /// Bytes its buffers hold.
    pub(super) fn buffered_bytes(&self) -> usize {
        self.texts.0.iter().map(String::capacity).sum::<usize>() + self.content.buffered_bytes()
    }
}
