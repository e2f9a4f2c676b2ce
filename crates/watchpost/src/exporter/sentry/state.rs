//! What an exporter's lock guards: trace assembly, and the releases and logs that wait for the thread. No clock, no I/O.

use std::{collections::VecDeque, thread::ThreadId, time::Instant};

use watchpost_sentry::wire::Timestamp;

use crate::{
    assembly::{Assembler, Part, Remnant},
    model::{Span, SpanLog, TracingEvent},
};

/// Says of a span whether it is sent.
pub(super) type Keeps = Box<dyn Fn(&Span) -> bool + Send>;

pub(super) struct State {
    pub(super) assembler: Assembler<Keeps>,
    queue: VecDeque<(u64, Item)>,
    bytes: usize,
    max_bytes: usize,
    spans: usize,
    last: u64,
    /// What the thread is at.
    busy: Option<u64>,
    out: Vec<Part>,
    pub(super) is_closed: bool,
    pub(super) after_shutdown: u64,
    pub(super) overflowed: u64,
    pub(super) thread: Thread,
}

#[derive(Debug)]
pub(super) enum Item {
    Part(Part),
    Log(SpanLog),
}

/// The thread's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thread {
    /// Not started yet.
    None,
    /// Started; by its id once it runs.
    Running(Option<ThreadId>),
    /// Letting things gather for a moment, after which it looks again by itself.
    Resting(ThreadId),
    /// Waiting for something to do, or for this moment.
    Asleep(ThreadId, Option<Instant>),
    /// It is to end, whatever waits.
    Stopping(Option<ThreadId>),
    Ended,
}

/// What is to be done once the lock is given back.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Effects {
    pub(super) start: bool,
    pub(super) wake: bool,
    /// What there was no room for.
    pub(super) overflow: Vec<Item>,
    /// To be freed: for each span that comes one goes.
    pub(super) remnant: Option<Remnant>,
}

impl State {
    pub(super) fn new(assembler: Assembler<Keeps>, max_bytes: usize) -> Self {
        Self {
            assembler,
            queue: VecDeque::new(),
            bytes: 0,
            max_bytes,
            spans: 0,
            last: 0,
            busy: None,
            out: Vec::new(),
            is_closed: false,
            after_shutdown: 0,
            overflowed: 0,
            thread: Thread::None,
        }
    }

    /// Takes an event in. The hot path: about a quarter of a microsecond with the lock, five when it completes a trace
    /// (`cargo xtask bench spans`).
    pub(super) fn event(&mut self, event: TracingEvent, now: Instant) -> Effects {
        if self.is_closed {
            self.after_shutdown += 1;
            return Effects::default();
        }
        self.assembler.apply(event, now, &mut self.out);
        Effects { remnant: self.assembler.next_remnant(), ..self.queue_parts(true) }
    }

    pub(super) fn log(&mut self, log: SpanLog) -> Effects {
        let mut effects = Effects::default();
        if self.is_closed {
            self.after_shutdown += 1;
            return effects;
        }
        self.push(Item::Log(log), true, &mut effects);
        self.rouse(&mut effects);
        effects
    }

    /// What has waited long enough for the rest of its trace.
    pub(super) fn expire(&mut self, now: Instant) -> Effects {
        if self.assembler.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.assembler.expire(now, &mut self.out);
        }
        self.queue_parts(true)
    }

    /// Releases what is finished. Gives the number up to which everything belongs to the flush.
    pub(super) fn flush(&mut self, now: Instant) -> (u64, Effects) {
        if !self.is_closed {
            self.assembler.flush(now, &mut self.out);
        }
        let mut effects = self.queue_parts(true);
        self.end_rest(&mut effects);
        (self.last, effects)
    }

    /// Ends the intake and what is open.
    pub(super) fn close(&mut self, at: Timestamp, now: Instant) -> (u64, Effects) {
        if !self.is_closed {
            self.is_closed = true;
            self.assembler.finish(at, now, &mut self.out);
        }
        // What is open is bounded too: nothing is dropped for it.
        let mut effects = self.queue_parts(false);
        self.end_rest(&mut effects);
        (self.last, effects)
    }

    pub(super) fn next(&mut self) -> Option<Item> {
        self.busy = None;
        let (number, item) = self.queue.pop_front()?;
        self.busy = Some(number);
        self.bytes -= item.bytes();
        self.spans -= item.spans();
        Some(item)
    }

    /// Everything that waits, which is lost.
    pub(super) fn abandon(&mut self) -> Vec<Item> {
        (self.bytes, self.spans) = (0, 0);
        self.queue.drain(..).map(|(_, item)| item).collect()
    }

    /// Whether nothing up to this number waits or is worked at.
    pub(super) fn is_drained(&self, number: u64) -> bool {
        let is_later = |other: u64| other > number;
        self.busy.is_none_or(is_later) && self.queue.front().is_none_or(|(first, _)| is_later(*first))
    }

    /// Whether one who can wait need not: what waits is to stay in memory for a short while only, and in the caches meanwhile.
    pub(super) const fn has_room(&self) -> bool {
        self.bytes <= self.max_bytes / 24
    }

    /// Whether one who waited for room is to go on. Later than the first span of room: a wake-up for each costs more than the
    /// span.
    pub(super) const fn has_room_again(&self) -> bool {
        self.bytes <= self.max_bytes / 48
    }

    pub(super) const fn queued(&self) -> (usize, usize) {
        (self.spans, self.bytes)
    }

    pub(super) fn is_worker(&self, thread: ThreadId) -> bool {
        match self.thread {
            Thread::Running(id) | Thread::Stopping(id) => id == Some(thread),
            Thread::Asleep(id, _) | Thread::Resting(id) => id == thread,
            Thread::None | Thread::Ended => false,
        }
    }

    fn queue_parts(&mut self, is_bounded: bool) -> Effects {
        let mut effects = Effects::default();
        if !self.out.is_empty() {
            let mut out = std::mem::take(&mut self.out);
            for part in out.drain(..) {
                self.push(Item::Part(part), is_bounded, &mut effects);
            }
            self.out = out;
        }
        self.rouse(&mut effects);
        effects
    }

    fn push(&mut self, item: Item, is_bounded: bool, effects: &mut Effects) {
        self.last += 1;
        self.bytes += item.bytes();
        self.spans += item.spans();
        self.queue.push_back((self.last, item));
        while is_bounded && self.bytes > self.max_bytes {
            let Some((_, oldest)) = self.queue.pop_front() else { break };
            self.bytes -= oldest.bytes();
            self.spans -= oldest.spans();
            self.overflowed += 1;
            effects.overflow.push(oldest);
        }
    }

    /// Sees to it that the thread does what there is to do: starts it, or wakes it if it sleeps longer than it may.
    fn rouse(&mut self, effects: &mut Effects) {
        match self.thread {
            Thread::None if self.queue.is_empty() && self.assembler.next_deadline().is_none() => {}
            Thread::None => {
                self.thread = Thread::Running(None);
                effects.start = true;
            }
            Thread::Asleep(id, until) => {
                let deadline = self.assembler.next_deadline();
                let is_late = deadline.is_some_and(|deadline| until.is_none_or(|until| deadline < until));
                if is_late || !self.queue.is_empty() {
                    self.thread = Thread::Running(Some(id));
                    effects.wake = true;
                }
            }
            Thread::Resting(_) if !self.has_room_again() => self.end_rest(effects),
            Thread::Resting(_) | Thread::Running(_) | Thread::Stopping(_) | Thread::Ended => {}
        }
    }

    /// Has the thread do at once what there is to do.
    fn end_rest(&mut self, effects: &mut Effects) {
        if let Thread::Resting(id) = self.thread {
            self.thread = Thread::Running(Some(id));
            effects.wake = true;
        }
    }
}

impl Item {
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Part(part) => part.bytes(),
            Self::Log(log) => {
                let attributes = log.attributes.iter().map(|(key, value)| key.len() + value.len() + 64);
                size_of::<SpanLog>() + log.body.len() + attributes.sum::<usize>()
            }
        }
    }

    pub(super) const fn spans(&self) -> usize {
        match self {
            Self::Part(part) => part.spans(),
            Self::Log(_) => 0,
        }
    }
}
