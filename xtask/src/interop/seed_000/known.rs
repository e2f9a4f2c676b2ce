//! What is known about an event without asking Watchpost: from the wire taps and the command line, or from the lines of an
//! import.

use serde_json::{Value, json};

use crate::interop::{
    peers::{Actor, Setup},
    recording::{Call, End, Party},
};

/// Moments are read on either side of the proxy, the wire carries microseconds, and a clock may be read a little later.
const SLACK_SECONDS: f64 = 0.002;

/// A moment in seconds since 1970, or a length in seconds, known to lie between two bounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Between(pub(super) f64, pub(super) f64);

impl Between {
    /// Whether `value` is a number in between, give or take what measuring costs.
    pub(super) fn holds(self, value: &Value) -> bool {
        value.as_f64().is_some_and(|value| self.0 - SLACK_SECONDS <= value && value <= self.1 + SLACK_SECONDS)
    }
}

/// One event as it must be reported.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) event_type: String,
    /// The JSON-RPC id; `None` in an import.
    pub(super) request_id: Option<String>,
    pub(super) resource: Option<String>,
    pub(super) is_error: bool,
    /// Given up by the side that asked.
    pub(super) is_cancelled: bool,
    /// The error's message, if it failed with one.
    pub(super) message: Option<String>,
    /// What the program that failed is written in, if it said so.
    pub(super) platform: Option<&'static str>,
    pub(super) started: Between,
    pub(super) ended: Between,
    pub(super) duration: Between,
    pub(super) server: Party,
    pub(super) client: Party,
    /// Known beforehand in an import only.
    pub(super) session_id: Option<String>,
    pub(super) event_id: Option<String>,
    pub(super) user_intent: Option<String>,
    pub(super) settings: Configured,
}

/// What was configured.
#[derive(Clone, Debug)]
pub(super) struct Configured {
    pub(super) tracing: bool,
    pub(super) environment: String,
    pub(super) release: Option<String>,
    pub(super) project: Option<String>,
    pub(super) actor_id: Option<String>,
    pub(super) actor_name: Option<String>,
    pub(super) actor_data: Option<Value>,
    pub(super) tags: Vec<(String, String)>,
}

impl Configured {
    /// As the command line says.
    pub(super) fn by(setup: &Setup) -> Self {
        let actor = |part: fn(&Actor) -> &'static str| setup.actor.as_ref().map(part).map(str::to_owned);
        Self {
            tracing: setup.tracing,
            environment: setup.environment.unwrap_or("production").to_owned(),
            release: setup.release.map(str::to_owned),
            project: setup.project.map(str::to_owned),
            actor_id: actor(|actor| actor.id),
            actor_name: actor(|actor| actor.name),
            actor_data: setup.actor.map(|actor| serde_json::from_str(actor.data).unwrap_or(json!(actor.data))),
            tags: setup.tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        }
    }
}

impl Known {
    /// What the wire taps saw.
    pub(super) fn from_wire(call: &Call, settings: &Configured) -> Self {
        let (started, ended) = (between(call.asked), between(call.ended));
        Self {
            event_type: call.method.clone(),
            request_id: Some(call.id.clone()),
            resource: call.resource.clone(),
            is_error: call.is_error(),
            is_cancelled: call.end == End::Cancelled,
            message: match &call.end {
                End::Failed { message, .. } => Some(message.clone()),
                _ => None,
            },
            platform: None,
            started,
            ended,
            duration: Between(ended.0 - started.1, ended.1 - started.0),
            server: call.server.clone(),
            client: call.client.clone(),
            session_id: None,
            event_id: None,
            user_intent: None,
            settings: settings.clone(),
        }
    }

    /// What a wire tap saw of a server that reports its calls itself: within `slack` seconds. A cancelled call is reported when
    /// its tool has stopped.
    pub(super) fn from_tracked(call: &Call, settings: &Configured, server: Party, slack: f64) -> Self {
        let known = Self::from_wire(call, settings);
        let (started, ended) = (known.started, known.ended);
        let ended = Between(ended.0 - slack, ended.1 + slack);
        Self {
            // A server knows itself, also where nobody asks it.
            server,
            started: Between(started.0 - slack, started.1 + slack),
            ended,
            duration: Between(known.duration.0 - slack, known.duration.1 + slack),
            ..known
        }
    }

    /// The log's body, as the seed words it.
    pub(super) fn body(&self) -> String {
        match &self.resource {
            Some(resource) => format!("MCP {}: {resource}", self.event_type),
            None => format!("MCP {}", self.event_type),
        }
    }

    /// The tool that is called.
    pub(super) fn tool(&self) -> Option<&str> {
        self.resource.as_deref().filter(|_| self.event_type == "tools/call")
    }

    /// The prompt that is asked for.
    pub(super) fn prompt(&self) -> Option<&str> {
        self.resource.as_deref().filter(|_| self.event_type == "prompts/get")
    }

    /// The resource that is read or watched.
    pub(super) fn resource_uri(&self) -> Option<&str> {
        self.resource.as_deref().filter(|_| self.event_type.starts_with("resources/"))
    }

    /// Whether it is an MCP request, and not an event of AgentCat's own.
    pub(super) fn is_request(&self) -> bool {
        !matches!(self.event_type.as_str(), "identify" | "custom")
    }

    /// The transaction's name, as the seed words it.
    pub(super) fn transaction_name(&self) -> String {
        match &self.resource {
            Some(resource) => format!("{} - {resource}", self.event_type),
            None => self.event_type.clone(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a microsecond is exact enough for a moment of this century")]
fn between((from, to): (u128, u128)) -> Between {
    Between(from as f64 / 1e9, to as f64 / 1e9)
}
