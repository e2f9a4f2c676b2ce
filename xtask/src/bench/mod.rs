//! Measurements of the proxy, of the export path and of the delivery, each beside a peer or a limit in the same run.
//! What each row and limit means is in `docs/benchmarks.md`.

mod delivery;
mod frame;
mod mcp;
mod node;
mod options;
mod process;
mod proxy;
mod receiver;
mod report;
mod server;
mod session;
mod sink;
mod spans;
mod statistics;
mod track;

use self::options::Options;
pub(crate) use self::{options::target_folder, report::Table};
use crate::Failure;

const USAGE: &str = "which bench? cargo xtask bench proxy|mcp|spans|receiver|delivery|track [--quick] [--json] [--rounds N] [--only PART] [--watchpost PATH]";

/// Runs the bench named by the first argument. The other names are the parts the benches start as processes of their own.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let (name, rest) = args.split_first().ok_or(USAGE)?;
    match name.as_str() {
        "proxy" => proxy::run(&Options::parse(rest)?),
        "mcp" => mcp::run(&Options::parse(rest)?),
        "receiver" => receiver::run(&Options::parse(rest)?),
        "spans" => spans::run(&Options::parse(rest)?),
        "delivery" => delivery::run(&Options::parse(rest)?),
        "track" => track::run(&Options::parse(rest)?),
        "echo-server" => server::run(rest),
        "sink" => sink::run(rest),
        "worker" => mcp::worker::run(rest),
        "spans-worker" => spans::worker::run(rest),
        "delivery-worker" => delivery::worker::run(rest),
        "replay" => mcp::replay::run(rest),
        _ => Err(USAGE.into()),
    }
}
