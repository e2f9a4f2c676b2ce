//! Why the proxy could not start, and the shell's exit code for it.
//! Source: the shell's convention (POSIX XCU 2.8.2): 127 not found, 126 found but not executable.

use std::{ffi::OsString, io};

/// What keeps the proxy from starting. Once the server runs, nothing of ours ends it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    /// There is no such command.
    #[error("can't start {}: command not found; check its spelling and the PATH", shown(command))]
    NotFound {
        /// The command as given.
        command: OsString,
    },
    /// The file is there, yet the system finds no interpreter for it.
    #[error("can't start {}: the file exists, but the interpreter its first line names does not", shown(command))]
    InterpreterNotFound {
        /// The command as given.
        command: OsString,
    },
    /// The command was found but can't be executed.
    #[error("can't start {}: {source}; is it an executable file?", shown(command))]
    NotExecutable {
        /// The command as given.
        command: OsString,
        /// Why.
        source: io::Error,
    },
    /// Our own standard input or output, a signal handler or a thread is not to be had.
    #[error("can't set up the proxy's {part}: {source}")]
    Setup {
        /// What could not be set up.
        part: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl ProxyError {
    /// Tells why `command` could not be spawned.
    pub(super) fn of_spawn(command: OsString, source: io::Error) -> Self {
        match source.kind() {
            // A path (not a name looked up in PATH) that exists: then `execve` missed the interpreter.
            io::ErrorKind::NotFound if is_path(&command) && std::fs::exists(&command).unwrap_or(false) => {
                Self::InterpreterNotFound { command }
            }
            io::ErrorKind::NotFound => Self::NotFound { command },
            _ => Self::NotExecutable { command, source },
        }
    }

    /// 127 when the command (or its interpreter) is not there, 126 when it can't be executed, 125 (as `env` and
    /// `timeout` have it) when the fault is ours.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } | Self::InterpreterNotFound { .. } => 127,
            Self::NotExecutable { .. } => 126,
            Self::Setup { .. } => 125,
        }
    }
}

fn is_path(command: &OsString) -> bool {
    command.as_encoded_bytes().contains(&b'/')
}

fn shown(command: &OsString) -> String {
    format!("`{}`", command.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_command_is_127_and_one_that_cannot_run_126() {
        let missing = ProxyError::of_spawn("no-such".into(), io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(missing.exit_code(), 127);
        assert_eq!(missing.to_string(), "can't start `no-such`: command not found; check its spelling and the PATH");
        let refused = ProxyError::of_spawn("/etc/passwd".into(), io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(refused.exit_code(), 126);
        assert_eq!(refused.to_string(), "can't start `/etc/passwd`: permission denied; is it an executable file?");
    }

    #[test]
    fn a_script_whose_interpreter_is_missing_is_told_apart_from_a_missing_script() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = ProxyError::of_spawn(file.path().into(), io::Error::from(io::ErrorKind::NotFound));
        assert!(matches!(error, ProxyError::InterpreterNotFound { .. }), "{error}");
        assert_eq!(error.exit_code(), 127);
    }
}
