//! A receiver's life: bind, serve until told to stop, stop in order.
//! Limits on connections and times keep a slow or hostile sender from holding the others up.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::config::ReceiverConfig;
use crate::error::ReceiverError;
use crate::http::{App, coalesce, router};
use crate::store::{Keep, Live, Store, Subscription};

/// Connections served at once; more wait to be accepted.
const MAX_CONNECTIONS: usize = 512;

/// How long a request's headers, or the next request of an idle connection, may take. Longer than a sender's own batches
/// are apart (5 s), so that it can keep its connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of a request's headers.
const HEADER_BYTES: usize = 64 * 1024;

/// How long requests being served when the receiver stops may take.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Threads that decode and query.
const BLOCKING_THREADS: usize = 8;

/// A receiver that has its port and its database, ready to serve.
///
/// ```
/// use std::net::SocketAddr;
/// use watchpost_receiver::{Receiver, ReceiverConfig};
///
/// let config = ReceiverConfig::default().with_address(SocketAddr::from(([127, 0, 0, 1], 0)));
/// let receiver = Receiver::bind(config)?.start()?;
/// println!("send to {}", receiver.dsn());
/// receiver.stop();
/// # Ok::<(), watchpost_receiver::ReceiverError>(())
/// ```
#[derive(Debug)]
pub struct Receiver {
    listener: TcpListener,
    address: SocketAddr,
    store: Store,
    router: Router,
    token: Option<String>,
}

impl Receiver {
    /// Takes the port, then opens the database (and migrates it).
    ///
    /// # Errors
    /// When the port is taken, the address may be reached from elsewhere without a
    /// [`token`](ReceiverConfig::token), or the database cannot be used.
    pub fn bind(config: ReceiverConfig) -> Result<Self, ReceiverError> {
        let address = config.address;
        if !address.ip().is_loopback() && !config.remote_access && config.token.is_none() {
            return Err(ReceiverError::NotLoopback { address });
        }
        let listener = TcpListener::bind(address).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => ReceiverError::AddressInUse { address },
            _ => ReceiverError::Listen { address, source },
        })?;
        let listen = |source| ReceiverError::Listen { address, source };
        listener.set_nonblocking(true).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let keep = Keep::new(config.max_bytes, config.max_age);
        let store = Store::open_with(&config.database, keep)?;
        let router = router(App::new(store.clone(), &config, address, reachable(address)));
        Ok(Self { listener, address, store, router, token: config.token })
    }

    /// The address it listens on, with the port it got.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// A handle to what is received.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Serves until `shutdown` is ready; then finishes the requests being served (2 s at most), ends the subscriptions and
    /// waits until everything is written. Needs a Tokio runtime with I/O and time; a current-thread one will do.
    ///
    /// # Errors
    /// When the listener cannot be given to the runtime.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<(), ReceiverError> {
        let listener = tokio::net::TcpListener::from_std(self.listener).map_err(ReceiverError::Start)?;
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let graceful = GracefulShutdown::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accept = async {
                // Never closed, so this only ever waits.
                let permit = Arc::clone(&connections).acquire_owned().await.ok();
                (permit, listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                () = &mut shutdown => break,
                accepted = accept => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: wait for some to be given back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // Answers are small and complete; waiting to fill a packet only delays them.
            let _ = stream.set_nodelay(true);
            let (stream, answers) = coalesce::split(stream);
            let service = TowerToHyperService::new(self.router.clone());
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT)
                .max_buf_size(HEADER_BYTES)
                .serve_connection(TokioIo::new(stream), service);
            let connection = answers.after_each_poll(graceful.watch(connection));
            tokio::spawn(async move {
                // Its error is the peer's: a reset, a timeout, not HTTP.
                let _ = connection.await;
                drop(permit);
            });
        }
        drop(listener);
        // So that streams have everything; should the writer be gone, they end all the same.
        let _ = self.store.synced().await;
        self.store.announce(Live::Stopping);
        // Late requests are dropped with their connections.
        let _ = timeout(STOP_TIMEOUT, graceful.shutdown()).await;
        let written = self.store.synced().await;
        self.store.announce(Live::Closed);
        Ok(written?)
    }

    /// Serves on a thread of its own.
    ///
    /// # Errors
    /// When the thread or its runtime cannot be started.
    pub fn start(self) -> Result<RunningReceiver, ReceiverError> {
        let (address, store, token) = (self.address, self.store.clone(), self.token.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()
            .map_err(ReceiverError::Start)?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new()
            .name("watchpost-receiver".to_owned())
            .spawn(move || {
                let shutdown = async {
                    // Also ready when the other side is gone.
                    let _ = stopped.await;
                };
                if let Err(error) = runtime.block_on(self.serve(shutdown)) {
                    tracing::error!(%error, "the receiver stopped");
                }
            })
            .map_err(ReceiverError::Start)?;
        Ok(RunningReceiver { address, store, token, running: Some(Running { stop, thread }) })
    }
}

/// A receiver that serves on a thread of its own. Dropping it stops it, as [`stop`](Self::stop) does.
#[derive(Debug)]
#[must_use = "dropping it stops the receiver"]
pub struct RunningReceiver {
    address: SocketAddr,
    store: Store,
    token: Option<String>,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl RunningReceiver {
    /// The address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// The address of its first page, for a browser on this machine; with the token, if it asks for one.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.token {
            Some(token) => format!("http://{}/?token={token}", reachable(self.address)),
            None => format!("http://{}/", reachable(self.address)),
        }
    }

    /// A DSN that sends to it. It takes any project, and any key unless it asks for a token, which then is the key.
    #[must_use]
    pub fn dsn(&self) -> String {
        format!("http://{}@{}/1", self.token.as_deref().unwrap_or("watchpost"), reachable(self.address))
    }

    /// A handle to what is received; it may be kept after the receiver has stopped.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What is stored from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.store.subscribe()
    }

    /// Stops: finishes the requests being served, writes everything, ends the subscriptions.
    pub fn stop(mut self) {
        self.end();
    }

    /// Waits until the receiver ends by itself, which is only when it fails.
    pub fn wait(mut self) {
        if let Some(Running { stop, thread }) = self.running.take() {
            let _ = thread.join();
            drop(stop);
        }
    }

    fn end(&mut self) {
        if let Some(Running { stop, thread }) = self.running.take() {
            drop(stop);
            if thread.join().is_err() {
                tracing::error!("the receiver's thread panicked");
            }
        }
    }
}

/// An address to connect to from this machine: loopback when `bound` is all addresses.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

impl Drop for RunningReceiver {
    fn drop(&mut self) {
        self.end();
    }
}
