//! The ways from the client to the server that are compared.

use std::{ffi::OsString, fmt, iter, path::PathBuf, process::Command};

use super::Bench;
use crate::{
    Failure,
    bench::{
        node::{self, NodeFolder},
        options::{Options, own_program},
        process::forget_settings,
        server::Serving,
    },
};

/// A way from the client to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// The client's pipes are the server's.
    Direct,
    /// `cat | server | cat`: the least a relay in another process can do.
    Relay,
    /// `watchpost mcp` with nowhere to send to.
    Silent,
    /// `watchpost mcp` that sends a log for each call to the sink.
    Logs,
    /// The same with a transaction for each call.
    Tracing,
}

impl Route {
    /// Whether `watchpost` is in between.
    pub(super) fn is_proxied(self) -> bool {
        matches!(self, Self::Silent | Self::Logs | Self::Tracing)
    }

    /// The name in figures.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Relay => "relay",
            Self::Silent => "proxy without DSN",
            Self::Logs => "proxy",
            Self::Tracing => "proxy with tracing",
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct pipes",
            Self::Relay => "`cat \\| server \\| cat`",
            Self::Silent => "watchpost, no DSN",
            Self::Logs => "watchpost, DSN",
            Self::Tracing => "watchpost, DSN and tracing",
        })
    }
}

/// What is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Server {
    /// This program, serving so.
    Own(Serving),
    /// The demo's server, built on rmcp.
    Rmcp,
    /// A server on the official TypeScript SDK.
    Node,
}

/// The programs that are run.
#[derive(Debug)]
pub(super) struct Programs {
    own: PathBuf,
    watchpost: PathBuf,
    node: Option<NodeFolder>,
}

impl Programs {
    /// Finds this program, builds the product and installs what node needs.
    pub(super) fn find(options: &Options) -> Result<Self, Failure> {
        Ok(Self { own: own_program()?, watchpost: options.watchpost()?, node: NodeFolder::prepare(&node::MCP) })
    }

    /// Whether the server can be run here.
    pub(super) fn have(&self, server: Server) -> bool {
        server != Server::Node || self.node.is_some()
    }

    fn server(&self, server: Server) -> Vec<OsString> {
        match server {
            Server::Own(serving) => {
                let own = OsString::from(&self.own);
                iter::once(own).chain(serving.args().map(OsString::from)).collect()
            }
            Server::Rmcp => vec![OsString::from(&self.watchpost), "demo-server".into()],
            Server::Node => {
                let script = self.node.as_ref().map(|node| node.path().join("server.mjs")).unwrap_or_default();
                vec!["node".into(), script.into()]
            }
        }
    }
}

impl Bench<'_> {
    /// The command that reaches the server by this route.
    pub(super) fn command(&self, route: Route, server: Server) -> Command {
        let server = self.programs.server(server);
        let mut command = match route {
            Route::Direct => {
                let mut command = Command::new(&server[0]);
                command.args(&server[1..]);
                command
            }
            Route::Relay => {
                let mut command = Command::new("sh");
                command.args(["-c", "cat | \"$@\" | cat", "relay"]).args(&server);
                command
            }
            Route::Silent | Route::Logs | Route::Tracing => {
                let mut command = Command::new(&self.programs.watchpost);
                command.arg("mcp");
                if route != Route::Silent {
                    command.arg("--dsn").arg(&self.dsn);
                }
                if route == Route::Tracing {
                    command.arg("--enable-tracing");
                }
                command.arg("--").args(&server);
                command
            }
        };
        forget_settings(&mut command);
        // What is left unobserved is counted at the sink; a warning for each process would only bury the result.
        command.env("WATCHPOST_LOG", "error");
        // The spool is on, as it is by default, but not the developer's own.
        command.env("XDG_STATE_HOME", std::env::temp_dir().join("watchpost-bench"));
        command.current_dir(std::env::temp_dir());
        command
    }
}
