//! A hub for each call of a tracked server.

use std::{future::poll_fn, pin::pin, sync::Arc};

use sentry_core::{Hub, HubSwitchGuard};

use super::is_linked;

/// Runs a handler in a hub of its own, on whatever thread it is polled. Without a client of theirs nothing changes.
pub(crate) async fn in_own_hub<F: Future>(handler: F) -> F::Output {
    let hub = is_linked().then(Hub::current).filter(|hub| hub.client().is_some());
    let hub = hub.map(|hub| Arc::new(Hub::new_from_top(hub)));
    let mut handler = pin!(handler);
    poll_fn(|context| {
        let _bound = hub.clone().map(HubSwitchGuard::new);
        handler.as_mut().poll(context)
    })
    .await
}
