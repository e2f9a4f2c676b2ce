//! One direction of the proxy: reads what is there and writes it on at once, byte for byte.
//! The copy for the observer costs a `memcpy`; nothing here is parsed, unless a [`Rewriter`] was asked for.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, read, write},
};
use watchpost::{mcp::Moment, model::Direction};

use super::{backlog::Backlog, tool_context::Rewriter};

/// What one read takes at most: a pipe's whole capacity on Linux, so a larger buffer would stay empty.
const CHUNK_BYTES: usize = 64 * 1024;

/// Forwards one direction until either side closes.
#[derive(Debug)]
pub(super) struct Pump {
    pub(super) direction: Direction,
    /// What is read.
    pub(super) source: OwnedFd,
    /// Where it goes.
    pub(super) sink: OwnedFd,
    /// Hangs up when the pump is to stop: the reading end of a pipe.
    pub(super) stop: OwnedFd,
    pub(super) meter: Arc<Meter>,
    pub(super) backlog: Arc<Backlog>,
    /// Changes what passes, if the user asked for it; the observer sees what it makes.
    pub(super) rewriter: Option<Rewriter>,
}

/// Why a pump ended. Both its descriptors are closed by then, so each side sees what it would see without us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PumpEnd {
    /// The source closed and everything read was written.
    SourceClosed,
    /// The sink takes nothing any more.
    SinkClosed,
    /// It was told to stop.
    Stopped,
}

/// How far a pump is, for whoever decides how long to wait for it.
#[derive(Debug, Default)]
pub(super) struct Meter {
    forwarded: AtomicU64,
    writing: AtomicBool,
}

impl Meter {
    /// Bytes written so far.
    pub(super) fn forwarded(&self) -> u64 {
        self.forwarded.load(Relaxed)
    }

    /// Whether a write is under way: if it stays so, the sink does not take the bytes.
    pub(super) fn is_writing(&self) -> bool {
        self.writing.load(Relaxed)
    }
}

/// What a wait for a descriptor came to.
enum Waited {
    Ready,
    SinkClosed,
    Stopped,
}

impl Pump {
    /// Pumps until a side closes. `hung_up` is called once if the source closes while the sink takes nothing.
    pub(super) fn run(mut self, mut hung_up: impl FnMut()) -> PumpEnd {
        let mut rewriter = self.rewriter.take();
        let end = self.pump(&mut rewriter, &mut hung_up);
        if let (Some(rewriter), PumpEnd::SourceClosed | PumpEnd::Stopped) = (&mut rewriter, end) {
            return self.forward(rewriter.finish(), &mut hung_up).unwrap_or(end);
        }
        end
    }

    fn pump(&self, rewriter: &mut Option<Rewriter>, hung_up: &mut impl FnMut()) -> PumpEnd {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            match self.await_source() {
                Waited::Ready => {}
                Waited::SinkClosed => return PumpEnd::SinkClosed,
                Waited::Stopped => return PumpEnd::Stopped,
            }
            let len = match read(&self.source, &mut buffer[..]) {
                Ok(0) => return PumpEnd::SourceClosed,
                Ok(len) => len,
                // EAGAIN: whoever started us left the descriptor non-blocking and another reader was faster.
                Err(Errno::INTR | Errno::AGAIN) => continue,
                Err(error) => {
                    tracing::debug!(%error, direction = ?self.direction, "the source can't be read; taken as closed");
                    return PumpEnd::SourceClosed;
                }
            };
            let chunk = match rewriter {
                Some(rewriter) => rewriter.feed(&buffer[..len]),
                None => &buffer[..len],
            };
            if let Some(end) = self.forward(chunk, hung_up) {
                return end;
            }
        }
    }

    fn forward(&self, chunk: &[u8], hung_up: &mut impl FnMut()) -> Option<PumpEnd> {
        if chunk.is_empty() {
            return None;
        }
        let wake = self.backlog.push(self.direction, chunk, Moment::now());
        self.meter.writing.store(true, Relaxed);
        let end = self.write_all(chunk, hung_up);
        self.meter.writing.store(false, Relaxed);
        self.backlog.wake(wake);
        end
    }

    fn write_all(&self, mut rest: &[u8], hung_up: &mut impl FnMut()) -> Option<PumpEnd> {
        let mut watch_source = true;
        while !rest.is_empty() {
            match write(&self.sink, rest) {
                Ok(len) => {
                    self.meter.forwarded.fetch_add(len as u64, Relaxed);
                    rest = &rest[len..];
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => match self.await_sink(&mut watch_source, hung_up) {
                    Waited::Ready => {}
                    Waited::SinkClosed => return Some(PumpEnd::SinkClosed),
                    Waited::Stopped => return Some(PumpEnd::Stopped),
                },
                Err(error) => {
                    if !matches!(error, Errno::PIPE | Errno::CONNRESET) {
                        tracing::warn!(%error, direction = ?self.direction, "the sink can't be written; taken as closed");
                    }
                    return Some(PumpEnd::SinkClosed);
                }
            }
        }
        None
    }

    /// Waits until there is something to read (or its end), and notices meanwhile when the sink closes: else a server that
    /// closed its input, or a client that is gone, would be found out only by the next bytes for it.
    fn await_source(&self) -> Waited {
        let mut watch_sink = true;
        loop {
            let mut fds = [
                PollFd::new(&self.source, PollFlags::IN),
                PollFd::new(&self.stop, PollFlags::IN),
                PollFd::new(&self.sink, PollFlags::empty()),
            ];
            let watched = if watch_sink { &mut fds[..] } else { &mut fds[..2] };
            match poll(watched, None) {
                Err(Errno::INTR) => continue,
                // Let the read say what is wrong.
                Err(_) => return Waited::Ready,
                Ok(_) => {}
            }
            let [source, stop, sink] = fds.map(|fd| fd.revents());
            if !stop.is_empty() {
                return Waited::Stopped;
            }
            if sink.intersects(PollFlags::HUP | PollFlags::ERR) {
                return Waited::SinkClosed;
            }
            if !source.is_empty() {
                return Waited::Ready;
            }
            // macOS can't poll every device (NVAL): then a write has to find out.
            watch_sink = watch_sink && sink.is_empty();
        }
    }

    /// Waits until the sink takes more. A source that closes in the meantime is reported, once.
    fn await_sink(&self, watch_source: &mut bool, hung_up: &mut impl FnMut()) -> Waited {
        loop {
            let mut fds = [
                PollFd::new(&self.sink, PollFlags::OUT),
                PollFd::new(&self.stop, PollFlags::IN),
                PollFd::new(&self.source, PollFlags::empty()),
            ];
            let watched = if *watch_source { &mut fds[..] } else { &mut fds[..2] };
            match poll(watched, None) {
                Err(Errno::INTR) => continue,
                Err(_) => return Waited::SinkClosed,
                Ok(_) => {}
            }
            let [sink, stop, source] = fds.map(|fd| fd.revents());
            if !stop.is_empty() {
                return Waited::Stopped;
            }
            if !sink.is_empty() {
                return Waited::Ready;
            }
            if !source.is_empty() {
                *watch_source = false;
                if source.intersects(PollFlags::HUP | PollFlags::ERR) {
                    hung_up();
                }
            }
        }
    }
}
