//! The demo's two sides: an example MCP server and the client that drives it.

pub(crate) mod client;
pub(crate) mod server;
