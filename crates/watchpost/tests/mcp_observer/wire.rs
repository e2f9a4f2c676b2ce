//! How the tests talk to an observer: frames as text, moments by a clock of their own.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use watchpost::{
    mcp::{Moment, ObserverOptions, StdioObserver},
    model::{Direction, McpEvent},
};
use watchpost_sentry::wire::Timestamp;

pub(crate) const FROM_CLIENT: Direction = Direction::ClientToServer;
pub(crate) const FROM_SERVER: Direction = Direction::ServerToClient;

/// 2026-11-20T21:40:00Z.
pub(crate) const EPOCH_NANOS: i64 = 1_795_210_800_000_000_000;

/// The moment `millis` after the tests' beginning of time.
pub(crate) fn at(millis: u64) -> Moment {
    static START: OnceLock<Instant> = OnceLock::new();
    let since = Duration::from_millis(millis);
    Moment {
        monotonic: *START.get_or_init(Instant::now) + since,
        wall: Timestamp::from_nanos(EPOCH_NANOS).saturating_add(since),
    }
}

/// An observer and a clock that ticks a millisecond with every line.
pub(crate) struct Wire {
    pub(crate) observer: StdioObserver,
    pub(crate) millis: u64,
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self::with(ObserverOptions::default())
    }

    pub(crate) fn with(options: ObserverOptions) -> Self {
        Self { observer: StdioObserver::new(options), millis: 0 }
    }

    pub(crate) fn now(&self) -> Moment {
        at(self.millis)
    }

    /// A line from the client.
    pub(crate) fn client(&mut self, line: &str) -> &mut Self {
        self.bytes(FROM_CLIENT, format!("{line}\n").as_bytes())
    }

    /// A line from the server.
    pub(crate) fn server(&mut self, line: &str) -> &mut Self {
        self.bytes(FROM_SERVER, format!("{line}\n").as_bytes())
    }

    pub(crate) fn bytes(&mut self, direction: Direction, bytes: &[u8]) -> &mut Self {
        self.millis += 1;
        self.observer.feed(direction, bytes, at(self.millis));
        self
    }

    pub(crate) fn events(&mut self) -> Vec<McpEvent> {
        self.observer.drain_events().collect()
    }

    pub(crate) fn only_event(&mut self) -> McpEvent {
        let mut events = self.events();
        assert_eq!(events.len(), 1, "{events:#?}");
        events.remove(0)
    }

    pub(crate) fn close(&mut self) -> Vec<McpEvent> {
        let now = self.now();
        self.observer.close(now);
        self.events()
    }
}

/// Options as `change` makes them of the defaults.
pub(crate) fn options(change: impl FnOnce(&mut ObserverOptions)) -> ObserverOptions {
    let mut options = ObserverOptions::default();
    change(&mut options);
    options
}

/// `tools/call` of `tool` with `id` (JSON).
pub(crate) fn call(id: &str, tool: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#)
}

/// A good answer to `id` (JSON).
pub(crate) fn answer(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":"done"}}]}}}}"#)
}

/// The client's `notifications/cancelled` of `id` (JSON).
pub(crate) fn cancel(id: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id},"reason":"changed my mind"}}}}"#
    )
}
