//! Who is talking: names and versions of client and server, as the messages give them away.
//! Source: MCP "Lifecycle" (`initialize`), 2026-07-28 (`_meta["io.modelcontextprotocol/…"]`).

use super::Method;
use crate::{
    mcp::{Field, Message},
    model::{Direction, Implementation},
};

/// What is known of both sides so far. What was learned stays: a message that says nothing changes nothing.
#[derive(Debug, Default)]
pub(super) struct Identity {
    pub(super) client: Implementation,
    pub(super) server: Implementation,
    pub(super) protocol_version: Option<String>,
}

impl Identity {
    /// Learns from a message that is no answer. Only the client's messages tell of the client.
    pub(super) fn learn(&mut self, direction: Direction, message: &Message) {
        if direction != Direction::ClientToServer {
            return;
        }
        update(&mut self.client, message, [Field::MetaClientName, Field::MetaClientTitle, Field::MetaClientVersion]);
        replace(&mut self.protocol_version, message.text(Field::MetaProtocolVersion));
        if message.text(Field::ClientName).is_some() && message.text(Field::Method) == Some("initialize") {
            update(&mut self.client, message, [Field::ClientName, Field::ClientTitle, Field::ClientVersion]);
        }
    }

    /// Learns from the answer to a call of `method` made in `direction`. Only the server's answers tell of the server.
    pub(super) fn learn_answer(&mut self, direction: Direction, method: &Method, answer: &Message) {
        if direction != Direction::ClientToServer {
            return;
        }
        update(&mut self.server, answer, [Field::MetaServerName, Field::MetaServerTitle, Field::MetaServerVersion]);
        if method.is_initialize() {
            update(&mut self.server, answer, [Field::ServerName, Field::ServerTitle, Field::ServerVersion]);
            replace(&mut self.protocol_version, answer.text(Field::ResultProtocolVersion));
        }
    }
}

/// Takes over what `message` says. A new name is a new implementation; the same name may add a title or a version.
fn update(known: &mut Implementation, message: &Message, [name, title, version]: [Field; 3]) {
    let Some(name) = message.text(name) else {
        return;
    };
    if known.name.as_deref() != Some(name) {
        *known = Implementation { name: Some(name.to_owned()), ..Implementation::default() };
    }
    replace(&mut known.title, message.text(title));
    replace(&mut known.version, message.text(version));
}

/// Allocates only for what is new: in 2026-07-28 every message repeats it.
fn replace(known: &mut Option<String>, said: Option<&str>) {
    if said.is_some() && known.as_deref() != said {
        *known = said.map(str::to_owned);
    }
}
