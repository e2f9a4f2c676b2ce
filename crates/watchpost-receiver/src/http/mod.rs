//! The receiver's HTTP side: one router for what arrives (`ingest`), the JSON API (`api`), the live stream (`live`) and the
//! pages, behind one guard.

mod answer;
pub(crate) mod api;
mod body;
pub(crate) mod coalesce;
mod guard;
mod ingest;
mod live;
mod token;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::sync::Semaphore;

pub(crate) use self::answer::Failure;
use crate::config::ReceiverConfig;
use crate::error::StoreError;
use crate::fault::Fault;
use crate::pages;
use crate::store::Store;

/// Large or encoded envelopes that are decoded at once; each may hold as much as an envelope may have.
const DECODERS: usize = 2;

/// Bytes of request bodies held at once beyond what every request may have for itself: 128 MiB.
const BODY_BUDGET_KIB: usize = 128 * 1024;

/// What handlers share.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) store: Store,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    reachable: SocketAddr,
    max_envelope_bytes: u64,
    /// The bound address when it is a single one.
    bound: Option<IpAddr>,
    allowed_hosts: Vec<String>,
    /// What a request must bring, if anything.
    token: Option<String>,
    /// What is played instead of an answer.
    faults: Vec<Fault>,
    decoders: Semaphore,
    bodies: Arc<Semaphore>,
}

impl App {
    /// `bound` is the address that was bound, `reachable` one that a program on this machine can connect to.
    pub(crate) fn new(store: Store, config: &ReceiverConfig, bound: SocketAddr, reachable: SocketAddr) -> Self {
        let ip = bound.ip();
        let shared = Shared {
            reachable,
            max_envelope_bytes: config.max_envelope_bytes,
            bound: (!ip.is_unspecified()).then_some(ip),
            allowed_hosts: config.allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            token: config.token.clone(),
            faults: config.faults.clone(),
            decoders: Semaphore::new(DECODERS),
            bodies: Arc::new(Semaphore::new(BODY_BUDGET_KIB)),
        };
        Self { store, shared: Arc::new(shared) }
    }

    /// An address that a program on this machine can connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.shared.reachable
    }

    /// Runs a query of the store on a thread where it may block.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let store = self.store.clone();
        store.synced().await?;
        let result = tokio::task::spawn_blocking(move || query(&store)).await;
        Ok(result.map_err(|_| Failure::Internal)??)
    }
}

/// The routes.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/health", get(|| async { "ok" }))
        .route("/api/{project}/envelope", post(ingest::receive))
        .route("/api/{project}/envelope/", post(ingest::receive))
        .route("/api/{project}/store", post(ingest::receive_event))
        .route("/api/{project}/store/", post(ingest::receive_event))
        .route("/stream", post(ingest::receive_stream).get(live::stream))
        .route("/api/sessions", get(api::sessions))
        .route("/api/sessions/{id}", get(api::session))
        .route("/api/logs", get(api::logs))
        .route("/api/traces", get(api::traces))
        .route("/api/traces/{id}", get(api::trace))
        .route("/api/issues", get(api::issues))
        .route("/api/issues/{id}", get(api::issue))
        .route("/api/items/{id}", get(api::item))
        .route("/api/items/{id}/envelope", get(api::export_item))
        .route("/api/sessions/{id}/export", get(api::export_session))
        .route("/api/traces/{id}/export", get(api::export_trace))
        .route("/api/overview", get(api::overview))
        .route("/api/tools", get(api::tools))
        .route("/api/search", get(api::search))
        .route("/api/stats", get(api::stats))
        .merge(pages::router())
        .fallback(pages::not_found)
        .method_not_allowed_fallback(answer::method_not_allowed)
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}
