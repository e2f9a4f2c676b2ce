//! A server of everything that MCP's own conformance suite asks servers for, over streamable HTTP, tracked or not. The suite is
//! `@modelcontextprotocol/conformance`; the descriptions of its scenarios say what a server has to have.
//!
//! ```text
//! SENTRY_DSN=http://key@127.0.0.1:8969/1 cargo run -p watchpost --example conformance_server --features rmcp-http -- 127.0.0.1:8000
//! cargo run -p watchpost --example conformance_server --features rmcp-http -- 127.0.0.1:8000 --untracked
//! ```
#![allow(clippy::print_stderr, reason = "a program says where it listens")]

mod fixtures;
mod inputs;
mod server;

use std::{error::Error, io, sync::Arc, time::Duration};

use rmcp::{
    ServerHandler,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService,
        session::{SessionManager, local::LocalSessionManager},
    },
};
use watchpost::{
    exporter::SentryConfig,
    mcp::{Options, Tracker},
};

use self::server::{Changes, Conformance};

type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let address = args.first().ok_or("say where to listen: conformance_server 127.0.0.1:8000 [--untracked]")?;
    let server = Conformance::new(Changes::default());
    if args.iter().any(|arg| arg == "--untracked") {
        return serve(address, move || Ok(server.clone()), LocalSessionManager::default()).await;
    }
    let sentry = SentryConfig::from_env()?.with_tracing(true);
    let tracker = Tracker::new(None, Options::default().exporter("sentry", sentry))?;
    let tracking = tracker.clone();
    let sessions = tracker.sessions(LocalSessionManager::default(), "conformance", "1.0.0");
    serve(address, move || Ok(tracking.track(server.clone())), sessions).await?;
    let outcome = tracker.shutdown_async(Duration::from_secs(5)).await;
    eprintln!("{outcome}");
    Ok(())
}

/// Serves until standard input closes.
async fn serve<H: ServerHandler>(
    address: &str,
    factory: impl Fn() -> Result<H, io::Error> + Send + Sync + 'static,
    sessions: impl SessionManager,
) -> Result<(), Failure> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let local = listener.local_addr()?;
    let origins = [format!("http://{local}"), format!("http://localhost:{}", local.port())];
    let config = StreamableHttpServerConfig::default().with_allowed_origins(origins);
    let service = StreamableHttpService::new(factory, Arc::new(sessions), config);
    eprintln!("listening on http://{local}/mcp");
    let router = axum::Router::new().nest_service("/mcp", service);
    let closed = async {
        let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
    };
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        () = closed => {}
    }
    Ok(())
}
