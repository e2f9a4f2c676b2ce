//! `xtask tap FILE -- CMD ARGS…`: a wire tap between an MCP client and a server. Passes bytes on untouched and keeps
//! a copy: `FILE.up` (to the server), `FILE.down` (from it) and `FILE.times`, one line for each piece in either.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::process::ExitStatusExt as _,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::Failure;

/// The most that is read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Runs the tap and ends this process with the command's exit code (128+n when a signal ended it).
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let [file, dashes, program, rest @ ..] = args else { return Err("usage: xtask tap FILE -- CMD ARGS…".into()) };
    if dashes != "--" {
        return Err("usage: xtask tap FILE -- CMD ARGS…".into());
    }
    let times = Times(Arc::new(Mutex::new(File::create(format!("{file}.times"))?)));
    let mut up = File::create(format!("{file}.up"))?;
    let mut down = File::create(format!("{file}.down"))?;
    let mut child = Command::new(program).args(rest).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (Some(mut to), Some(mut from)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("the command has no pipes".into());
    };
    pass_signals_on(child.id())?;

    let upward = times.clone();
    // Not joined: it may wait for a client that goes on listening after the server ended.
    thread::spawn(move || {
        copy("up", &mut io::stdin(), &mut to, &mut up, &upward);
        drop(to);
        upward.note("closed up");
    });
    copy("down", &mut from, &mut io::stdout(), &mut down, &times);
    times.note("closed down");
    let status = child.wait()?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    times.note(&format!("exit {code}"));
    std::process::exit(code)
}

/// Copies until the end of `from`. A reader that went away does not end the copy in the file.
fn copy(way: &str, from: &mut impl Read, to: &mut impl Write, copy: &mut File, times: &Times) {
    let mut piece = vec![0; PIECE_BYTES];
    let mut listening = true;
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => return,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        times.note(&format!("{way} {read}"));
        let recorded = copy.write_all(&piece[..read]);
        debug_assert!(recorded.is_ok(), "the recording can't be written");
        listening = listening && to.write_all(&piece[..read]).and_then(|()| to.flush()).is_ok();
    }
}

/// Lines `NANOSECONDS WHAT`, in the order in which things happened.
#[derive(Clone)]
struct Times(Arc<Mutex<File>>);

impl Times {
    fn note(&self, what: &str) {
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let _ = file.write_all(format!("{} {what}\n", now.as_nanos()).as_bytes());
    }
}

/// A signal meant for the server reaches it; the tap ends when the server does.
fn pass_signals_on(child: u32) -> Result<(), Failure> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let child = i32::try_from(child).ok().and_then(rustix::process::Pid::from_raw).ok_or("no process id")?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let signal = match signal {
                SIGHUP => rustix::process::Signal::HUP,
                SIGINT => rustix::process::Signal::INT,
                _ => rustix::process::Signal::TERM,
            };
            let _ = rustix::process::kill_process(child, signal);
        }
    });
    Ok(())
}
