//! What ends the server when the proxy itself is killed: a waiting shell, the only thing a `SIGKILL` to us leaves running.
//! Several MCP hosts end their servers with `SIGKILL`; without the guard that would reach the proxy only, and a server that
//! does not watch its input would run on for ever.

use std::{
    io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

use rustix::process::Pid;

/// Reads until our end of the pipe closes, which happens when we are gone, however. `$1` is the server's group.
const SCRIPT: &str =
    "trap '' HUP INT QUIT TERM; read -r _; kill -s TERM -- \"-$1\" && sleep 2 && kill -s KILL -- \"-$1\"";

/// The guard of one server. To drop it is to dismiss it.
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
        let dismissed = self.shell.kill().and_then(|()| self.shell.wait());
        if let Err(error) = dismissed {
            tracing::debug!(%error, "the guard was gone already");
        }
    }
}
