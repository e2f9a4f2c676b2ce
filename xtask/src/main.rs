//! What Watchpost's developers run: `cargo xtask ci | interop | faults | bench`.

mod bench;
mod cargo;
mod ci;
mod faults;
mod interop;
mod peers;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask ci                       formatting, clippy, docs, tests, faults, interop: what .ci/run runs
cargo xtask interop [NAME…] [--watchpost PATH]
                                     real peers: MCP clients and servers, Mastra, Bugsink, Spotlight, Sentry's normaliser
                                     and SDKs, a browser
cargo xtask faults [--peers | --long --only TEXT]
                                     a sink that misbehaves in every way, kill -9, a full disk, damage, clocks that jump;
                                     tracked servers whose hooks panic, hang or give junk (`--only track`; with --long they
                                     hang for a minute and come back);
                                     with --peers Sentry's own clients in the same outages, beside ours
cargo xtask bench NAME [ARGS…]       measurements (proxy, mcp, spans, delivery, receiver), beside a peer or a limit in the
                                     same run
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let task = args.next();
    let rest: Vec<String> = args.collect();
    let done = match task.as_deref() {
        Some("ci") => ci::run(),
        Some("interop") => interop::run(&rest),
        Some("bench") => bench::run(&rest),
        Some("faults") => faults::run(&rest),
        // Hidden: the senders that `faults` starts.
        Some("faults-sender") => faults::run_sender(&rest),
        // Hidden: the wire tap that `interop` puts between real peers.
        Some("tap") => interop::tap(&rest),
        _ => {
            print_usage();
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(&failure);
            ExitCode::FAILURE
        }
    }
}

/// A developer's task fails with one sentence.
type Failure = Box<dyn std::error::Error + Send + Sync>;

#[expect(clippy::print_stderr, reason = "a developer's tool talks on the terminal")]
fn print_usage() {
    eprint!("{USAGE}");
}

#[expect(clippy::print_stderr, reason = "a developer's tool talks on the terminal")]
fn report(failure: &Failure) {
    eprintln!("xtask: {failure}");
}
