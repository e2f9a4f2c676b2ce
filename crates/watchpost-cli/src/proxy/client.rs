//! The client's end of the proxy: our own standard input and output, taken over as unbuffered descriptors.
//! Owning them is what lets the proxy close them, as a server that goes would.

use std::{
    fs::File,
    io,
    os::fd::{AsFd as _, OwnedFd},
};

/// The descriptors on which the client talks to the proxy.
#[derive(Debug)]
pub(super) struct ClientPipes {
    /// What the client sends.
    pub(super) input: OwnedFd,
    /// What the client receives.
    pub(super) output: OwnedFd,
}

impl ClientPipes {
    /// Takes over the process's standard input and output and leaves `/dev/null` in their place.
    ///
    /// The copies are then the only ones: to drop one is to close it for the client. And whatever in this process prints
    /// to standard output by mistake reaches nobody, so nothing of ours can get between the server's bytes.
    pub(super) fn take_stdio() -> io::Result<Self> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        let nowhere = File::options().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&nowhere)?;
        rustix::stdio::dup2_stdout(&nowhere)?;
        Ok(Self { input, output })
    }
}
