//! The server's process: spawned in a process group of its own, signalled as a group, reaped once.
//! Source: the shell's convention for exit codes (128 + n when a signal ended the process).

use std::{
    ffi::{OsStr, OsString},
    io,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    process::{Child, Command, Stdio},
};

use rustix::{
    io::{Errno, ioctl_fionbio},
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, test_kill_process_group, waitid},
};

use super::ProxyError;

/// The server's process and its group. To drop it before [`Server::reap`] kills the group, so no path leaves an orphan.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    group: Pid,
    reaped: bool,
}

/// Our ends of the server's standard input and output.
#[derive(Debug)]
pub(super) struct ServerPipes {
    /// What the server reads. Non-blocking, so that a server that does not read can't hold a thread of ours.
    pub(super) input: OwnedFd,
    /// What the server writes.
    pub(super) output: OwnedFd,
}

impl Server {
    /// Spawns the server. Its environment, folder and standard error are ours.
    pub(super) fn spawn(command: &OsStr, args: &[OsString]) -> Result<(Self, ServerPipes), ProxyError> {
        let mut child = Command::new(command)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|source| ProxyError::of_spawn(command.to_owned(), source))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let group = Pid::from_child(&child);
        let server = Self { child, group, reaped: false };
        let Some((input, output)) = pipes else {
            return Err(ProxyError::Setup { part: "pipes to the server", source: io::ErrorKind::Other.into() });
        };
        let pipes = ServerPipes { input: input.into(), output: output.into() };
        ioctl_fionbio(&pipes.input, true)
            .map_err(|error| ProxyError::Setup { part: "pipes to the server", source: error.into() })?;
        Ok((server, pipes))
    }

    /// The group, which is also the server's process id.
    pub(super) fn group(&self) -> Pid {
        self.group
    }

    /// Sends `signal` to every process of the group. That the group is empty already is no failure.
    pub(super) fn signal(&self, signal: Signal) {
        if let Err(error) = kill_process_group(self.group, signal)
            && error != Errno::SRCH
        {
            tracing::debug!(%error, signal = signal.as_raw(), "the server's process group takes no signal");
        }
    }

    /// Whether any process is left in the group. True until [`Server::reap`]: the ended server itself still counts.
    pub(super) fn group_is_alive(&self) -> bool {
        !self.reaped || has_living_members(self.group)
    }

    /// Collects the ended server's status, so that it is no zombie. Until then its process id can't be given to another,
    /// which is what makes [`Server::signal`] safe.
    pub(super) fn reap(&mut self) {
        self.reaped = true;
        if let Err(error) = self.child.wait() {
            tracing::debug!(%error, "the server's status could not be collected");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.reaped {
            self.signal(Signal::KILL);
            // Not `wait`: a process in an uninterruptible call would hold us.
            let _ = self.child.try_wait();
        }
    }
}

/// Whether a process is left in the group, zombies aside.
pub(super) fn has_living_members(group: Pid) -> bool {
    test_kill_process_group(group) != Err(Errno::SRCH) && !is_all_zombies(group)
}

/// Whether the group consists of zombies only. In a container the first process often reaps nobody, so that what the
/// server left behind would seem alive for ever. Reads all of `/proc`: for the rare case that a group outlives its server.
fn is_all_zombies(group: Pid) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    let mut stats = processes.filter_map(|process| std::fs::read_to_string(process.ok()?.path().join("stat")).ok());
    let mut found = false;
    let all_dead = stats.all(|stat| match state_in_group(&stat, group) {
        Some(state) => {
            found = true;
            matches!(state, "Z" | "X")
        }
        None => true,
    });
    found && all_dead
}

/// The state of a process by its `/proc/PID/stat` (proc_pid_stat(5)), if it belongs to the group.
fn state_in_group(stat: &str, group: Pid) -> Option<&str> {
    // The name in parentheses may hold anything; after it come state, parent and group.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let of = fields.nth(1)?.parse::<i32>().ok()?;
    (of == group.as_raw_nonzero().get()).then_some(state)
}

/// Blocks until the server has ended and returns its exit code, 128 + n when signal n ended it. It stays unreaped.
pub(super) fn wait_for_end(server: Pid) -> u8 {
    loop {
        match waitid(WaitId::Pid(server), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
            Ok(Some(status)) => {
                let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
                // A status is a byte for the kernel; signals end at 64.
                return code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            }
            Ok(None) | Err(Errno::INTR) => {}
            Err(error) => {
                tracing::warn!(%error, "the server's end can't be awaited; its exit code is unknown");
                return 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_groups_process_is_found_whatever_its_name() {
        let group = Pid::from_raw(77).unwrap();
        assert_eq!(state_in_group("78 (a) Z (b)) S 1 77 77 0 -1", group), Some("S"));
        assert_eq!(state_in_group("79 (sleep) Z 1 77 77 0 -1", group), Some("Z"));
        assert_eq!(state_in_group("80 (sleep) S 77 80 77 0 -1", group), None);
    }
}
