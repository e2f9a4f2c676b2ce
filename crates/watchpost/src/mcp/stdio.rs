//! Framing by newline in two directions, as between an MCP client and a server on stdin and stdout.
//! Source: MCP "Transports", stdio: messages are newline-delimited and hold no newline.

use memchr::memchr;

use super::{Frame, MessageKind, Moment, ObserverOptions, Scanner, Session, SessionCounters};
use crate::model::{Direction, FIRST_LINE_BYTES, McpEvent, StrayOutput};

/// Observes an MCP connection over stdio: [`Scanner`]s and a [`Session`] behind framing by newline, nothing more.
///
/// Blank lines, `\r\n` and a byte order mark are tolerated. A line on the server's stdout that is no MCP message is
/// [stray output](StrayOutput).
///
/// Hand in a piece of the client's bytes before writing it to the server (a queue in between is fine, as long as it is
/// one for both directions): an answer that comes before its request matches nothing.
#[derive(Debug)]
pub struct StdioObserver {
    from_client: Line,
    from_server: Line,
    session: Session,
    stray: StrayOutput,
    counters: StdioCounters,
}

/// What an observer could not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StdioCounters {
    /// Bytes passed to [`StdioObserver::skip`].
    pub skipped_bytes: u64,
    /// How often observing stopped for them; each time at least one frame was lost, up to the next newline.
    pub gaps: u64,
    /// Frames cut by the end of the connection: a last line that begins like one (`{` or `[`) and has no end.
    pub cut_frames: u64,
    /// Lines from the client that are no MCP message.
    pub client_stray_lines: u64,
}

/// The line being read in one direction.
#[derive(Debug)]
struct Line {
    scanner: Scanner,
    /// Bytes so far, without those of the piece at hand.
    length: u64,
    /// Its first bytes, should it be stray.
    head: Vec<u8>,
    /// Whether bytes were skipped: what comes up to the next newline is the rest of a frame that was lost.
    lost: bool,
}

/// What a complete line was.
enum Outcome {
    Fine,
    Stray,
}

impl Line {
    fn new(options: &ObserverOptions) -> Self {
        Self { scanner: Scanner::new(options), length: 0, head: Vec::new(), lost: false }
    }

    /// Reads `part` of the line.
    fn read(&mut self, mut part: &[u8], direction: Direction, session: &mut Session, now: Moment) {
        while let Some(message) = self.scanner.advance(&mut part) {
            session.observe(direction, message, now);
        }
    }

    /// Notes `part` of the line, which goes on behind it or was stray.
    fn note(&mut self, part: &[u8]) {
        self.length += part.len() as u64;
        let room = FIRST_LINE_BYTES - self.head.len();
        self.head.extend_from_slice(&part[..part.len().min(room)]);
    }

    /// Whether the noted line could have become a frame.
    fn begins_like_a_frame(&self) -> bool {
        let head = self.head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.head);
        matches!(head.trim_ascii_start().first(), Some(b'{' | b'['))
    }

    /// Forgets the line; the next byte begins another.
    fn reset(&mut self) {
        self.length = 0;
        self.head.clear();
    }

    /// The line's frame is complete.
    fn finish(&mut self, direction: Direction, session: &mut Session, now: Moment) -> Outcome {
        match self.scanner.finish() {
            Frame::Blank | Frame::Batch { .. } => Outcome::Fine,
            Frame::Message(message) => {
                session.observe(direction, message, now);
                if message.kind() == MessageKind::Other { Outcome::Stray } else { Outcome::Fine }
            }
            Frame::Malformed => Outcome::Stray,
        }
    }
}

impl StdioObserver {
    /// An observer of one connection.
    #[must_use]
    pub fn new(options: ObserverOptions) -> Self {
        Self {
            from_client: Line::new(&options),
            from_server: Line::new(&options),
            session: Session::new(options),
            stray: StrayOutput::default(),
            counters: StdioCounters::default(),
        }
    }

    /// Observes bytes that pass in `direction`, cut anywhere. `now` is when they passed.
    ///
    /// The events they make wait for [`drain_events`](Self::drain_events): take them after each piece.
    pub fn feed(&mut self, direction: Direction, bytes: &[u8], now: Moment) {
        let mut rest = bytes;
        while let Some(end) = memchr(b'\n', rest) {
            self.end_line(direction, &rest[..end], now);
            rest = &rest[end + 1..];
        }
        let (line, session) = self.line(direction);
        if !line.lost && !rest.is_empty() {
            line.read(rest, direction, session, now);
            line.note(rest);
        }
    }

    /// Passes over `bytes` bytes in `direction` that the observer did not get. The frame they belong to is lost;
    /// observing goes on behind the next newline. Calls whose answer may be among them are not reported as failed.
    pub fn skip(&mut self, direction: Direction, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let (line, session) = self.line(direction);
        session.lose(direction);
        line.scanner.finish();
        line.reset();
        let again = std::mem::replace(&mut line.lost, true);
        self.counters.skipped_bytes += bytes;
        self.counters.gaps += u64::from(!again);
    }

    /// The events made so far, in the order the calls ended.
    pub fn drain_events(&mut self) -> impl Iterator<Item = McpEvent> + '_ {
        self.session.drain_events()
    }

    /// Ends the calls that have been open too long. To be called now and then: about once a minute.
    pub fn expire(&mut self, now: Moment) {
        self.session.expire(now);
    }

    /// The connection is closed: a last frame without its newline counts if it is whole, what never was one is stray, and
    /// every open call ends.
    pub fn close(&mut self, now: Moment) {
        for direction in [Direction::ClientToServer, Direction::ServerToClient] {
            let (line, session) = self.line(direction);
            line.lost = false;
            if line.length > 0 && matches!(line.finish(direction, session, now), Outcome::Stray) {
                if line.begins_like_a_frame() {
                    self.counters.cut_frames += 1;
                } else {
                    self.record_stray(direction);
                }
            }
            self.line(direction).0.reset();
        }
        self.session.close(now);
    }

    /// What the server wrote to its stdout besides MCP messages.
    #[must_use]
    pub const fn stray(&self) -> &StrayOutput {
        &self.stray
    }

    /// What could not be read so far.
    #[must_use]
    pub const fn counters(&self) -> StdioCounters {
        self.counters
    }

    /// What could be read, but made no event.
    #[must_use]
    pub const fn session_counters(&self) -> SessionCounters {
        self.session.counters()
    }

    /// The session's id, the same in all events.
    #[must_use]
    pub fn session_id(&self) -> &str {
        self.session.session_id()
    }

    /// How many calls are open, in both directions.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.session.open_calls()
    }

    /// Bytes held for frames being read, in both directions: bounded, whatever their size.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        let lines = [&self.from_client, &self.from_server];
        lines.into_iter().map(|line| line.scanner.buffered_bytes() + line.head.capacity()).sum()
    }

    const fn line(&mut self, direction: Direction) -> (&mut Line, &mut Session) {
        let line = match direction {
            Direction::ClientToServer => &mut self.from_client,
            Direction::ServerToClient => &mut self.from_server,
        };
        (line, &mut self.session)
    }

    /// `part` is the line's last, up to its newline.
    fn end_line(&mut self, direction: Direction, part: &[u8], now: Moment) {
        let (line, session) = self.line(direction);
        if std::mem::take(&mut line.lost) {
            return;
        }
        line.read(part, direction, session, now);
        if matches!(line.finish(direction, session, now), Outcome::Stray) {
            line.note(part);
            self.record_stray(direction);
        }
        self.line(direction).0.reset();
    }

    /// The line, which is noted whole, is stray.
    fn record_stray(&mut self, direction: Direction) {
        match direction {
            Direction::ClientToServer => self.counters.client_stray_lines += 1,
            Direction::ServerToClient => self.stray.record(&self.from_server.head, self.from_server.length),
        }
    }
}
