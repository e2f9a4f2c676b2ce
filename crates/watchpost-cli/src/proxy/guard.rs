//! What ends the server when the proxy itself is killed: a waiting shell, the only thing a `SIGKILL` to us leaves running.
//! Several MCP hosts end their servers with `SIGKILL`; without the guard that would reach the proxy only, and a server that
//! does not watch its input would run on for ever.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    thread,
};

use rustix::process::Pid;

/// Reads until our end of the pipe closes, which happens when we are gone, however. `$1` is the server's group.
const SCRIPT: &str =
    "trap '' HUP INT QUIT TERM; read -r _; kill -s TERM -- \"-$1\" && sleep 2 && kill -s KILL -- \"-$1\"";

/// The guard of one server. To drop it is to dismiss it, unless that is because of a panic: then it does its work, since the
/// server may not have been ended yet, or have left others of its group behind.
#[derive(Debug)]
pub(super) struct Guard {
    shell: Child,
}

impl Guard {
    /// Starts to guard `group`. In a group of its own, so that a host that kills ours does not kill the guard.
    pub(super) fn post(group: Pid) -> io::Result<Self> {
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "watchpost-guard"])
            .arg(group.as_raw_nonzero().to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self { shell })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if thread::panicking() {
            // Our end of its pipe closes with us, which is what it waits for.
            return;
        }
        let dismissed = self.shell.kill().and_then(|()| self.shell.wait());
        if let Err(error) = dismissed {
            tracing::debug!(%error, "the guard was gone already");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read as _,
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use super::*;

    /// A process in a group of its own, and what it holds open as long as it lives.
    fn server() -> (Child, Pid, io::PipeReader) {
        let (alive, held) = io::pipe().unwrap();
        let server = Command::new("/bin/sh").args(["-c", "sleep 600"]).process_group(0).stdout(held).spawn().unwrap();
        let group = Pid::from_child(&server);
        (server, group, alive)
    }

    #[test]
    fn a_panic_of_the_proxy_does_not_dismiss_the_guard() {
        let (mut server, group, mut alive) = server();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _guard = Guard::post(group).unwrap();
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        // Ends when no process of the group is left.
        assert_eq!(alive.read(&mut [0]).unwrap(), 0);
        assert!(!server.wait().unwrap().success());
    }

    #[test]
    fn a_guard_that_is_dropped_leaves_the_server_alone() {
        let (mut server, group, _alive) = server();
        drop(Guard::post(group).unwrap());
        assert!(server.try_wait().unwrap().is_none());
        server.kill().unwrap();
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
        server.wait().unwrap();
    }
}
