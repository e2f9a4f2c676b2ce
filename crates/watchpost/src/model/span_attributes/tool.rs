//! Attributes of tools' calls, of the MCP requests that serve them, and of the mapping of their data.

use crate::model::{Text, UsageStats, attribute::attributes};

attributes! {
    /// Attributes of tools' calls: [`ToolCall`](crate::model::SpanType::ToolCall) and the client's, provider's and MCP kinds.
    ToolCallAttributes {
        tool_type "toolType": Option<Text> => "The tool's type, as given.";
        tool_description "toolDescription": Option<Text> => "The tool's description.";
        tool_call_id "toolCallId": Option<Text> => "The model's id of the call.";
        success "success": Option<bool> => "Whether it succeeded.";
        client_environment "clientEnvironment": Option<Text> => "Where a client's tool runs.";
        mcp_server "mcpServer": Option<Text> => "The MCP server.";
        server_version "serverVersion": Option<Text> => "The MCP server's version.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`McpServerRequest`](crate::model::SpanType::McpServerRequest).
    McpServerRequestAttributes {
        mcp_method "mcpMethod": Option<Text> => "The MCP method.";
        target_name "targetName": Option<Text> => "The tool, prompt or resource.";
        mcp_server "mcpServer": Option<Text> => "The server.";
        server_version "serverVersion": Option<Text> => "The server's version.";
        mcp_protocol_version "mcpProtocolVersion": Option<Text> => "The protocol's version.";
        client_name "clientName": Option<Text> => "The client.";
        client_version "clientVersion": Option<Text> => "The client's version.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }

    /// Attributes of [`Mapping`](crate::model::SpanType::Mapping).
    MappingAttributes {
        mapping_type "mappingType": Option<Text> => "What is mapped: a tool's output, a workflow's step's input, ….";
        tool_call_id "toolCallId": Option<Text> => "The model's id of the tool's call.";
        internal_usage "internalUsage": Option<UsageStats> => "Tokens of descendants that the source does not export.";
    }
}
