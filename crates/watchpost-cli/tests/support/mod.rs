//! What tests of the command share: it in a folder of its own, a receiver, and a run with some input.

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    process::{Command, Output, Stdio},
};

use watchpost_receiver::{Receiver, ReceiverConfig, RunningReceiver};

/// The command in a folder of its own, away from any configuration of the machine's.
pub(crate) fn watchpost(folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchpost"));
    command.current_dir(folder.path()).env("XDG_DATA_HOME", folder.path()).env("XDG_STATE_HOME", folder.path());
    for name in ["SENTRY_DSN", "SENTRY_ENVIRONMENT", "SENTRY_RELEASE", "SENTRY_TRACES_SAMPLE_RATE", "DO_NOT_TRACK"] {
        command.env_remove(name);
    }
    command
}

/// A receiver in memory.
pub(crate) fn receiver() -> RunningReceiver {
    let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Receiver::bind(ReceiverConfig::default().with_address(any_port)).unwrap().start().unwrap()
}

/// Runs it to its end with this input.
pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that ends without reading breaks the pipe; that is its right.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}
