//! The signals that go on to the server, as a stream of events.
//! Source: POSIX `signal(7)`; a signal that was ignored when we started stays ignored, as `nohup` and background jobs ask.

use std::io;

use rustix::process::Signal;
use signal_hook::iterator::Signals;

/// The signals a terminal, a service manager or a host sends to a server, and `SIGTSTP`.
const PASSED_ON: [Signal; 7] =
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2, Signal::TSTP];

/// The signals of this process, caught from [`SignalStream::open`] on.
#[derive(Debug)]
pub(super) struct SignalStream {
    signals: Signals,
}

impl SignalStream {
    /// Starts to catch. To be called before the server is spawned: a signal that comes in between would end us and
    /// leave the server behind.
    pub(super) fn open() -> io::Result<Self> {
        let ignored = ignored_at_start();
        let caught = PASSED_ON.iter().map(|signal| signal.as_raw()).filter(|signal| !is_in(ignored, *signal));
        // With a handler for SIGCHLD the kernel keeps the server's status, even if our parent had us ignore SIGCHLD.
        Ok(Self { signals: Signals::new(caught.chain([Signal::CHILD.as_raw()]))? })
    }

    /// Blocks for the next signal to pass on.
    pub(super) fn next(&mut self) -> Option<Signal> {
        self.signals.forever().find_map(|signal| PASSED_ON.into_iter().find(|known| known.as_raw() == signal))
    }
}

/// The process's ignored signals as a bit mask, bit 0 for signal 1. Empty where `/proc` is missing (macOS): there every
/// signal is caught.
fn ignored_at_start() -> u64 {
    std::fs::read_to_string("/proc/self/status").ok().and_then(|status| parse_ignored(&status)).unwrap_or(0)
}

/// Whether we were started with this signal ignored.
pub(crate) fn is_ignored(signal: i32) -> bool {
    is_in(ignored_at_start(), signal)
}

fn parse_ignored(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

fn is_in(mask: u64, signal: i32) -> bool {
    (1..=64).contains(&signal) && mask >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals_is_read_from_the_process_status() {
        let status = "Name:\tx\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001003\nSigCgt:\t0000000000000440\n";
        let mask = parse_ignored(status).unwrap();
        assert!(is_in(mask, Signal::HUP.as_raw()) && is_in(mask, Signal::INT.as_raw()));
        assert!(is_in(mask, Signal::PIPE.as_raw()) && !is_in(mask, Signal::TERM.as_raw()));
        assert_eq!(parse_ignored("Name:\tx\n"), None);
    }
}
