//! `watchpost view`: the local receiver and its page.

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use watchpost_receiver::{ReceiverConfig, RunningReceiver, tail};

use crate::{args::ViewArgs, failure::Failure};

/// Serves until interrupted.
pub(crate) fn run(args: &ViewArgs) -> Result<ExitCode, Failure> {
    todo!()
}
