//! What Watchpost says about itself: to standard error only, one line each, `warn` and above unless asked for more.

use std::io::Write as _;

use tracing_subscriber::{filter::LevelFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::failure::Failure;

/// Starts the diagnostics: `-v` shows information, `-vv` debugging details; `WATCHPOST_LOG` (`off`, `error`, `warn`,
/// `info`, `debug`, `trace`) overrides both.
pub(crate) fn start(verbose: u8) {
    let asked = std::env::var("WATCHPOST_LOG").ok().and_then(|level| level.parse::<LevelFilter>().ok());
    let level = asked.unwrap_or(match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    });
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none())
        .without_time()
        .with_target(true);
    // A second start (in a test) changes nothing.
    let _ = tracing_subscriber::registry().with(level).with(lines).try_init();
}

/// Prints why a subcommand failed, with its causes left out: the sentence says it all.
pub(crate) fn print_failure(failure: &Failure) {
    // Nowhere is left to report to when standard error is closed.
    let _ = writeln!(std::io::stderr(), "watchpost: {failure}");
}
