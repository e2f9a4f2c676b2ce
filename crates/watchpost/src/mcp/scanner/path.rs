//! Where the scanner looks: the tree of known keys, as a table. Whatever is not in it is skipped.
//! Source: the MCP schema (2024-11-05 to 2026-07-28).

use crate::mcp::{Field, Message, message::IdKind, message::flag};

/// Containers nest this deep in the table: batch, message, params, `_meta`, `clientInfo`.
pub(super) const DEPTH: usize = 5;

/// A container whose members are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// The top-level array of a batch.
    Batch,
    Message,
    Params,
    Reference,
    Client,
    ParamsMeta,
    MetaClient,
    Result,
    Server,
    ResultMeta,
    MetaServer,
    Task,
    /// The array `result.content`, and an element of it.
    Content,
    Block,
    /// The array `result.messages`.
    Messages,
    /// The array `result.contents`.
    Contents,
    Error,
}

/// What a value is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Nothing: it is skipped.
    Ignored,
    /// The text of a string.
    Text(Field),
    /// An id: a string, a number or `null`.
    Id(Field),
    /// An object or array whose members are looked at.
    Container(Node),
    /// `params.arguments` and `error.data`: the raw JSON.
    Raw(Field),
    /// `result`: a container, perhaps raw too.
    Result,
    /// `error`: a container, or the message itself.
    Error,
    IsError,
    StructuredContent,
    ErrorCode,
    BlockType,
    BlockText,
}

impl Node {
    /// Whether it is an array, not an object.
    pub(super) const fn is_array(self) -> bool {
        matches!(self, Self::Batch | Self::Content | Self::Messages | Self::Contents)
    }

    /// What the member at `key` of this object is for.
    pub(super) fn member(self, key: &[u8]) -> Target {
        use Field as F;
        use Target::{BlockText, BlockType, Container, ErrorCode, Ignored, IsError, Raw, StructuredContent, Text};

        match self {
            Self::Message => match key {
                b"jsonrpc" => Text(F::JsonRpc),
                b"id" => Target::Id(F::Id),
                b"method" => Text(F::Method),
                b"params" => Container(Self::Params),
                b"result" => Target::Result,
                b"error" => Target::Error,
                _ => Ignored,
            },
            Self::Params => match key {
                b"name" => Text(F::Name),
                b"arguments" => Raw(F::Arguments),
                b"_meta" => Container(Self::ParamsMeta),
                b"uri" => Text(F::Uri),
                b"ref" => Container(Self::Reference),
                b"level" => Text(F::Level),
                b"taskId" => Text(F::TaskId),
                b"requestId" => Target::Id(F::CancelledId),
                b"reason" => Text(F::CancelReason),
                b"protocolVersion" => Text(F::ProtocolVersion),
                b"clientInfo" => Container(Self::Client),
                _ => Ignored,
            },
            Self::Reference => match key {
                b"type" => Text(F::RefType),
                b"name" => Text(F::RefName),
                b"uri" => Text(F::RefUri),
                _ => Ignored,
            },
            Self::Client => match key {
                b"name" => Text(F::ClientName),
                b"title" => Text(F::ClientTitle),
                b"version" => Text(F::ClientVersion),
                _ => Ignored,
            },
            Self::ParamsMeta => match key {
                b"io.modelcontextprotocol/protocolVersion" => Text(F::MetaProtocolVersion),
                b"io.modelcontextprotocol/clientInfo" => Container(Self::MetaClient),
                b"progressToken" => Target::Id(F::ProgressToken),
                b"claudecode/toolUseId" => Text(F::ToolUseId),
                b"traceparent" => Text(F::TraceParent),
                b"sentry-trace" => Text(F::SentryTrace),
                b"baggage" => Text(F::Baggage),
                _ => Ignored,
            },
            Self::MetaClient => match key {
                b"name" => Text(F::MetaClientName),
                b"title" => Text(F::MetaClientTitle),
                b"version" => Text(F::MetaClientVersion),
                _ => Ignored,
            },
            Self::Result => match key {
                b"content" => Container(Self::Content),
                b"isError" => IsError,
                b"structuredContent" => StructuredContent,
                b"resultType" => Text(F::ResultType),
                b"_meta" => Container(Self::ResultMeta),
                b"messages" => Container(Self::Messages),
                b"contents" => Container(Self::Contents),
                b"serverInfo" => Container(Self::Server),
                b"protocolVersion" => Text(F::ResultProtocolVersion),
                b"task" => Container(Self::Task),
                _ => Ignored,
            },
            Self::Task => match key {
                b"taskId" => Text(F::ResultTaskId),
                b"status" => Text(F::ResultTaskStatus),
                _ => Ignored,
            },
            Self::Server => match key {
                b"name" => Text(F::ServerName),
                b"title" => Text(F::ServerTitle),
                b"version" => Text(F::ServerVersion),
                _ => Ignored,
            },
            Self::ResultMeta => match key {
                b"io.modelcontextprotocol/serverInfo" => Container(Self::MetaServer),
                _ => Ignored,
            },
            Self::MetaServer => match key {
                b"name" => Text(F::MetaServerName),
                b"title" => Text(F::MetaServerTitle),
                b"version" => Text(F::MetaServerVersion),
                _ => Ignored,
            },
            Self::Block => match key {
                b"type" => BlockType,
                b"text" => BlockText,
                _ => Ignored,
            },
            Self::Error => match key {
                b"code" => ErrorCode,
                b"message" => Text(F::ErrorMessage),
                b"data" => Raw(F::ErrorData),
                _ => Ignored,
            },
            Self::Batch | Self::Content | Self::Messages | Self::Contents => Ignored,
        }
    }

    /// The fields anywhere below this container.
    const fn fields(self) -> u64 {
        use Field as F;

        macro_rules! bits {
            ($($field:ident)+) => { 0 $(| F::$field.bit())+ };
        }
        match self {
            Self::Batch | Self::Message | Self::Content | Self::Block | Self::Messages | Self::Contents => 0,
            Self::Params => {
                bits!(Name Uri Level TaskId CancelReason ProtocolVersion Arguments CancelledId)
                    | Self::Reference.fields()
                    | Self::Client.fields()
                    | Self::ParamsMeta.fields()
            }
            Self::Reference => bits!(RefType RefName RefUri),
            Self::Client => bits!(ClientName ClientTitle ClientVersion),
            Self::ParamsMeta => {
                bits!(MetaProtocolVersion TraceParent SentryTrace Baggage ToolUseId ProgressToken)
                    | Self::MetaClient.fields()
            }
            Self::MetaClient => bits!(MetaClientName MetaClientTitle MetaClientVersion),
            Self::Result => {
                bits!(ResultType ResultProtocolVersion Result)
                    | Self::Server.fields()
                    | Self::ResultMeta.fields()
                    | Self::Task.fields()
            }
            Self::Server => bits!(ServerName ServerTitle ServerVersion),
            Self::ResultMeta | Self::MetaServer => bits!(MetaServerName MetaServerTitle MetaServerVersion),
            Self::Task => bits!(ResultTaskId ResultTaskStatus),
            Self::Error => bits!(ErrorMessage ErrorData),
        }
    }
}

impl Target {
    /// Makes `message` forget what an earlier key of the same name left: the last one counts.
    pub(super) fn forget(self, message: &mut Message) {
        match self {
            Self::Ignored => {}
            Self::Text(field) | Self::Raw(field) => message.forget(field.bit()),
            Self::Id(field) => {
                message.forget(field.bit());
                match field {
                    Field::Id => message.id = IdKind::Absent,
                    Field::CancelledId => message.cancelled_id = IdKind::Absent,
                    _ => {}
                }
            }
            Self::Container(node) => {
                message.forget(node.fields());
                match node {
                    Node::Params => message.cancelled_id = IdKind::Absent,
                    Node::Content => message.content.clear(),
                    Node::Messages => message.messages = None,
                    Node::Contents => message.contents = None,
                    _ => {}
                }
            }
            Self::Result => {
                message.forget(Node::Result.fields());
                message.flags &= !(flag::IS_ERROR | flag::STRUCTURED_CONTENT);
                message.content.clear();
                (message.messages, message.contents) = (None, None);
            }
            Self::Error => {
                message.forget(Node::Error.fields());
                message.flags &= !flag::ERROR;
                message.error_code = None;
            }
            Self::IsError => message.flags &= !flag::IS_ERROR,
            Self::StructuredContent => message.flags &= !flag::STRUCTURED_CONTENT,
            Self::ErrorCode => message.error_code = None,
            Self::BlockType => message.content.set_type(""),
            Self::BlockText => message.content.forget_text(),
        }
    }
}
