//! The `watchpost` command. Parses the command line, runs one subcommand and turns its end into an exit code; what the
//! subcommands do lives in `command/`, one file each.

mod args;
mod chosen;
mod command;
mod config;
mod demo;
mod diagnostics;
mod failure;
mod given;
mod local_receiver;
mod proxy;
mod spool;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let args = Args::parse();
    // The example server is a stranger's program in the demo: what it would log is no diagnostics of ours.
    if !matches!(args.command, Command::DemoServer) {
        diagnostics::start(args.verbose);
    }
    let done = match args.command {
        Command::Mcp(mcp) => command::mcp::run(mcp),
        Command::Import(import) => command::import::run(&import),
        Command::Status(status) => command::status::run(&status),
        Command::Flush(flush) => command::flush::run(&flush),
        Command::View(view) => command::view::run(&view),
        Command::Demo(demo) => command::demo::run(&demo),
        Command::Doctor(doctor) => command::doctor::run(&doctor),
        Command::DemoServer => demo::server::run(),
        Command::Completions { shell } => command::completions::run(shell),
    };
    done.unwrap_or_else(|failure| {
        diagnostics::print_failure(&failure);
        failure.exit_code()
    })
}
