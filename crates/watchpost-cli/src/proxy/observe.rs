//! The observer's thread: takes the copies from the backlog in big batches and shows them to a [`Tap`].
//! Whatever the tap does (block, panic), the forwarding does not notice.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use watchpost::{mcp::Moment, model::Direction};

use super::backlog::{Backlog, Batch, Observed, Rhythm};

/// Who looks at the copy of the traffic. Called on a thread of its own.
pub(crate) trait Tap {
    /// Bytes were forwarded, cut anywhere; `at` is when they were read.
    fn feed(&mut self, direction: Direction, bytes: &[u8], at: Moment);
    /// So many bytes were forwarded here without being kept, because the tap was too slow.
    fn skip(&mut self, direction: Direction, bytes: u64);
    /// A batch has been fed, or the time asked for is over. Returns when to call again if nothing is fed until then;
    /// `None`: only after the next batch.
    fn turn(&mut self, now: Moment) -> Option<Duration>;
    /// The connection is over; nothing follows.
    fn close(&mut self, now: Moment);
    /// Whether anybody gets what the tap makes of the traffic. While nobody does, it only keeps up with the session.
    fn has_audience(&self) -> bool {
        true
    }
}

/// Chunks gather long enough that a busy client's round trips wake nobody, and not so long that anybody sees the delay.
const NAP: Duration = Duration::from_millis(10);
/// After the last chunk the observer looks on: the next request of a paced client wakes nobody either.
const LINGER: Duration = Duration::from_secs(1);
/// Client, server and the two pumps can use so many cores. With fewer, what the observer takes is taken from them.
const ENOUGH_CORES: usize = 4;
/// How long the observer rests then, for the time it worked, as long as nobody gets what it sees. In a flood that takes every core
/// (1 KiB frames pipelined, two cores) it would else take a quarter of the throughput for nothing.
const REST_FOR_WORK: u32 = 3;
/// However long the work took (others may have had the core), the rest is no longer.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// How far the observer steps back: a tenth of the others' share of a busy core. When client, server and proxy together want
/// more than the machine has (1 KiB frames pipelined, two cores), 0 leaves 50 % of a direct pipe's throughput, 5 leaves 68 % and
/// 10 leaves 80 %, with about as many calls observed. With three busy neighbours it still is enough to look at a full backlog
/// within the grace at the end.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// What became of the observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ObserverEnd {
    /// It saw everything that was kept for it and was closed.
    Closed,
    /// It panicked (or its thread could not be started); the rest of the traffic went unobserved.
    Failed,
    /// It was still busy when the proxy had to end.
    Unfinished,
}

/// The running observer.
#[derive(Debug)]
pub(super) struct ObserverThread {
    backlog: Arc<Backlog>,
    end: mpsc::Receiver<ObserverEnd>,
}

impl ObserverThread {
    /// Starts the thread; the tap itself is made on it, so that setting up telemetry delays no byte.
    pub(super) fn start<T: Tap>(backlog: Arc<Backlog>, make_tap: impl FnOnce() -> T + Send + 'static) -> Self {
        let (ended, end) = mpsc::sync_channel(1);
        let observed = Arc::clone(&backlog);
        let thread = spawn("wp-observer", move || {
            step_back();
            // The tap is never used again after a panic, so nobody sees it half changed.
            let outcome = catch_unwind(AssertUnwindSafe(|| observe(&observed, make_tap)));
            let end = match outcome {
                Ok(()) => ObserverEnd::Closed,
                Err(_) => {
                    observed.abandon();
                    tracing::error!("the observer failed; the server runs on, its calls are no longer reported");
                    ObserverEnd::Failed
                }
            };
            let _ = ended.send(end);
        });
        if let Err(error) = thread {
            backlog.abandon();
            tracing::error!(%error, "no thread for the observer; the server runs, its calls are not reported");
        }
        Self { backlog, end }
    }

    /// Closes the backlog and gives the tap at most `patience` to look at the rest.
    pub(super) fn finish(self, patience: Duration) -> ObserverEnd {
        self.backlog.close();
        match self.end.recv_timeout(patience) {
            Ok(end) => end,
            Err(mpsc::RecvTimeoutError::Timeout) => ObserverEnd::Unfinished,
            Err(mpsc::RecvTimeoutError::Disconnected) => ObserverEnd::Failed,
        }
    }
}

/// Lets the pumps, the server and the client run first when the cores are busy. Threads that the tap starts inherit it.
fn step_back() {
    // Elsewhere the call would slow the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the observer keeps its priority");
    }
}

fn observe<T: Tap>(backlog: &Backlog, make_tap: impl FnOnce() -> T) {
    let mut tap = make_tap();
    let mut batch = Batch::default();
    let mut next_turn = None;
    let cores_are_scarce = thread::available_parallelism().is_ok_and(|cores| cores.get() < ENOUGH_CORES);
    let mut rest = Duration::ZERO;
    loop {
        batch.recycle();
        let Some(taken) = backlog.take(batch, Rhythm { rest, nap: NAP, linger: LINGER }, next_turn) else { break };
        let start = Instant::now();
        batch = taken;
        batch.for_each(|observed| match observed {
            Observed::Chunk { direction, bytes, at } => tap.feed(direction, bytes, at),
            Observed::Skipped { direction, len } => tap.skip(direction, len),
        });
        next_turn = tap.turn(Moment::now());
        let may_rest = cores_are_scarce && !tap.has_audience();
        rest = if may_rest { (start.elapsed() * REST_FOR_WORK).min(LONGEST_REST) } else { Duration::ZERO };
    }
    tap.close(Moment::now());
}

/// Starts a named thread.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}
