//! When the server is told to end, how firmly, and when the proxy itself may go: a state machine without I/O.
//! Source: MCP specification, "Lifecycle: Shutdown (stdio)": close the input, wait, `SIGTERM`, wait, `SIGKILL`.
//!
//! ```text
//!            client leaves, signal ──> grace ──> TERM ──> grace ──> KILL
//!               │                                                    │
//! Serving ──────┴──── server ended ──> Draining ──> Sweeping ──> (Draining) ──> Finish
//!                                      its output   the rest of   what the
//!                                                   its group     rest said
//! ```

use std::time::{Duration, Instant};

use rustix::process::Signal;

/// How long each step may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Graces {
    /// From the client's leaving, or a signal, to our own `SIGTERM` or `SIGKILL`.
    pub(super) shutdown: Duration,
    /// From our `SIGTERM` to `SIGKILL`.
    pub(super) kill: Duration,
    /// How long the output of an ended server may be silent before it counts as ended too.
    pub(super) drain: Duration,
}

/// After a second, different signal: hosts that send `SIGINT`, then `SIGTERM`, send `SIGKILL` 400 ms later. That one ends
/// us without a chance to take the server along, so it has to be gone before.
const HURRY: Duration = Duration::from_millis(300);
/// A killed process that has not ended after this is stuck in the kernel; nobody can do more.
const ABANDON: Duration = Duration::from_secs(2);
/// How often the rest of the group is looked at: nothing tells when the last process of a group has gone.
const SWEEP_INTERVAL: Duration = Duration::from_millis(10);
/// 128 + 9, for a server that not even `SIGKILL` ended in time.
const KILLED: u8 = 137;

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The client closed our input; all of it reached the server, whose input is closed too.
    ClientInputClosed,
    /// The client closed our input while the server is not reading; some of it is still to be written.
    ClientHungUp,
    /// The server closed its input. The client's is closed too.
    ServerInputClosed,
    /// The server's output ended, or the client closed ours: nothing more comes through.
    OutputClosed {
        /// Whether it was the client.
        by_client: bool,
    },
    /// The server ended with this exit code. It is not reaped.
    ServerEnded(u8),
    /// We were sent this signal.
    Signal(Signal),
    /// [`Lifecycle::deadline`] has come.
    Deadline,
}

/// What can be seen from outside at the time of an event.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// Bytes the server has taken.
    pub(super) to_server: u64,
    /// Bytes the client has taken.
    pub(super) to_client: u64,
    /// Whether a write to the client is under way.
    pub(super) client_is_slow: bool,
    /// Whether a process is left in the server's group.
    pub(super) group_is_alive: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Close the server's input.
    CloseServerInput,
    /// Send a signal to the server's group.
    SignalGroup(Signal),
    /// Stop ourselves until continued, as `SIGTSTP` asks.
    Suspend,
    /// Collect the server's status.
    Reap,
    /// Everything is done; exit with this code.
    Finish(u8),
}

/// The state machine: events in, actions out.
#[derive(Debug)]
pub(super) struct Lifecycle {
    graces: Graces,
    phase: Phase,
    /// The client closed our input or our output.
    client_left: bool,
    output_closed: bool,
    /// The ending signals passed on so far.
    passed_on: Vec<Signal>,
}

#[derive(Debug)]
enum Phase {
    /// The server runs; `next` is what happens to it if it goes on.
    Serving { next: Option<(Instant, Step)> },
    /// The server has ended; its output may hold more.
    Draining(Draining),
    /// The server is reaped; the rest of its group is ended.
    Sweeping { code: u8, look_at: Instant, kill_at: Instant, killed: bool },
    /// Nothing is left to do.
    Finished,
}

#[derive(Debug)]
enum Step {
    /// Send `SIGTERM`.
    Terminate,
    /// Send `SIGTERM` if the server has taken nothing since.
    TerminateIfStuckAt(u64),
    Kill,
    Abandon,
}

#[derive(Debug)]
struct Draining {
    code: u8,
    /// Whether the rest of the group is gone already.
    swept: bool,
    /// Bytes the client had taken at the last look.
    seen: u64,
    last_progress: Instant,
    look_at: Instant,
    /// When it is over even if data flows.
    cap: Option<Instant>,
}

impl Lifecycle {
    /// The server has just been spawned.
    pub(super) fn new(graces: Graces) -> Self {
        Self {
            graces,
            phase: Phase::Serving { next: None },
            client_left: false,
            output_closed: false,
            passed_on: Vec::new(),
        }
    }

    /// When to hand in [`Event::Deadline`] if nothing else happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Serving { next } => next.as_ref().map(|(at, _)| *at),
            Phase::Draining(draining) => Some(draining.look_at),
            Phase::Sweeping { look_at, .. } => Some(*look_at),
            Phase::Finished => None,
        }
    }

    /// Takes in what happened and returns what to do, in order.
    pub(super) fn handle(&mut self, event: Event, facts: Facts, now: Instant) -> Vec<Action> {
        match event {
            Event::ClientInputClosed => self.client_leaves(now, Step::Terminate),
            Event::ClientHungUp => self.client_leaves(now, Step::TerminateIfStuckAt(facts.to_server)),
            Event::ServerInputClosed => Vec::new(),
            Event::OutputClosed { by_client } => self.output_closes(by_client, now),
            Event::ServerEnded(code) => self.server_ends(code, facts, now),
            Event::Signal(signal) => self.signalled(signal, now),
            Event::Deadline => self.deadline_comes(facts, now),
        }
    }

    fn client_leaves(&mut self, now: Instant, step: Step) -> Vec<Action> {
        // A hang-up with bytes still to write is not the end of the input yet.
        self.client_left |= matches!(step, Step::Terminate);
        let (shutdown, kill) = (self.graces.shutdown, self.graces.kill);
        if let Phase::Serving { next } = &mut self.phase {
            match next {
                None | Some((_, Step::TerminateIfStuckAt(_))) => *next = Some((now + shutdown, step)),
                // Signalled before, and now the client goes: it is not going to wait long.
                Some((at, Step::Kill)) => *at = (*at).min(now + kill),
                Some((_, Step::Terminate | Step::Abandon)) => {}
            }
        }
        Vec::new()
    }

    fn output_closes(&mut self, by_client: bool, now: Instant) -> Vec<Action> {
        self.output_closed = true;
        match &self.phase {
            Phase::Draining(draining) => {
                let (code, swept) = (draining.code, draining.swept);
                self.drained(code, swept, now)
            }
            Phase::Serving { .. } if by_client => {
                self.client_leaves(now, Step::Terminate);
                vec![Action::CloseServerInput]
            }
            Phase::Serving { .. } | Phase::Sweeping { .. } | Phase::Finished => Vec::new(),
        }
    }

    fn server_ends(&mut self, code: u8, facts: Facts, now: Instant) -> Vec<Action> {
        if !matches!(self.phase, Phase::Serving { .. }) {
            return Vec::new();
        }
        if self.output_closed {
            return self.sweep(code, now);
        }
        let cap = (self.client_left || !self.passed_on.is_empty()).then(|| now + self.graces.shutdown);
        self.drain(code, false, facts, now, cap);
        Vec::new()
    }

    fn signalled(&mut self, signal: Signal, now: Instant) -> Vec<Action> {
        if signal == Signal::TSTP {
            return vec![Action::SignalGroup(signal), Action::Suspend, Action::SignalGroup(Signal::CONT)];
        }
        if matches!(signal, Signal::USR1 | Signal::USR2) {
            return vec![Action::SignalGroup(signal)];
        }
        // The same signal twice: somebody means it.
        let repeated = self.passed_on.contains(&signal);
        let hurry = !self.passed_on.is_empty();
        self.passed_on.push(signal);
        let passed_on = vec![Action::SignalGroup(if repeated { Signal::KILL } else { signal })];
        match &mut self.phase {
            Phase::Serving { next } if repeated => {
                *next = Some((now + ABANDON, Step::Abandon));
                passed_on
            }
            Phase::Serving { next } => {
                let patience = match (hurry, self.client_left) {
                    (true, _) => HURRY,
                    // The client closed its end and signals now: its next step is SIGKILL to us.
                    (false, true) => self.graces.kill,
                    (false, false) => self.graces.shutdown,
                };
                let at = now + patience;
                match next {
                    Some((_, Step::Abandon)) => {}
                    Some((before, Step::Kill)) => *before = (*before).min(at),
                    _ => *next = Some((at, Step::Kill)),
                }
                passed_on
            }
            Phase::Draining(draining) => {
                draining.cap = Some(if repeated { now } else { now + self.graces.kill });
                draining.look_at = draining.look_at.min(now + self.graces.kill);
                if repeated {
                    draining.look_at = now;
                }
                // The swept group is empty, and its number may be another's by now.
                if draining.swept { Vec::new() } else { passed_on }
            }
            Phase::Sweeping { kill_at, look_at, .. } => {
                (*kill_at, *look_at) = (now, now);
                Vec::new()
            }
            Phase::Finished => Vec::new(),
        }
    }

    fn deadline_comes(&mut self, facts: Facts, now: Instant) -> Vec<Action> {
        if self.deadline().is_none_or(|at| now < at) {
            return Vec::new();
        }
        match &mut self.phase {
            Phase::Serving { next } => {
                let step = next.take().map(|(_, step)| step);
                self.escalate(step, facts, now)
            }
            Phase::Draining(_) => self.look_at_output(facts, now),
            Phase::Sweeping { .. } => self.look_at_group(facts, now),
            Phase::Finished => Vec::new(),
        }
    }

    fn escalate(&mut self, step: Option<Step>, facts: Facts, now: Instant) -> Vec<Action> {
        let (next, action) = match step {
            None => return Vec::new(),
            Some(Step::TerminateIfStuckAt(before)) if facts.to_server > before => {
                ((now + self.graces.shutdown, Step::TerminateIfStuckAt(facts.to_server)), None)
            }
            Some(Step::Terminate | Step::TerminateIfStuckAt(_)) => {
                ((now + self.graces.kill, Step::Kill), Some(Action::SignalGroup(Signal::TERM)))
            }
            Some(Step::Kill) => ((now + ABANDON, Step::Abandon), Some(Action::SignalGroup(Signal::KILL))),
            Some(Step::Abandon) => {
                self.phase = Phase::Finished;
                return vec![Action::Finish(KILLED)];
            }
        };
        self.phase = Phase::Serving { next: Some(next) };
        action.into_iter().collect()
    }

    fn drain(&mut self, code: u8, swept: bool, facts: Facts, now: Instant, cap: Option<Instant>) {
        let look_at = now + self.graces.drain;
        self.phase = Phase::Draining(Draining { code, swept, seen: facts.to_client, last_progress: now, look_at, cap });
    }

    fn look_at_output(&mut self, facts: Facts, now: Instant) -> Vec<Action> {
        let Phase::Draining(draining) = &mut self.phase else { return Vec::new() };
        let progress = facts.to_client > draining.seen;
        if progress {
            draining.seen = facts.to_client;
            draining.last_progress = now;
        }
        // A client that is there may take its time, as it might with the kernel's buffer of an ended server. One that has
        // closed its end gets as long as a server would.
        let client_may_be_slow = draining.cap.is_none() || now < draining.last_progress + self.graces.shutdown;
        let goes_on = progress || facts.client_is_slow && client_may_be_slow;
        if goes_on && draining.cap.is_none_or(|cap| now < cap) {
            let next = now + self.graces.drain;
            draining.look_at = draining.cap.map_or(next, |cap| next.min(cap));
            return Vec::new();
        }
        let (code, swept) = (draining.code, draining.swept);
        self.drained(code, swept, now)
    }

    fn drained(&mut self, code: u8, swept: bool, now: Instant) -> Vec<Action> {
        if swept {
            self.phase = Phase::Finished;
            vec![Action::Finish(code)]
        } else {
            self.sweep(code, now)
        }
    }

    /// Ends what the server left behind in its group. No process is left in most cases: then the first look ends it.
    fn sweep(&mut self, code: u8, now: Instant) -> Vec<Action> {
        self.phase = Phase::Sweeping { code, look_at: now, kill_at: now + self.graces.kill, killed: false };
        vec![Action::Reap, Action::SignalGroup(Signal::TERM)]
    }

    fn look_at_group(&mut self, facts: Facts, now: Instant) -> Vec<Action> {
        let Phase::Sweeping { code, look_at, kill_at, killed } = &mut self.phase else { return Vec::new() };
        let code = *code;
        let given_up = *killed && now >= *kill_at + ABANDON;
        if facts.group_is_alive && !given_up {
            *look_at = now + SWEEP_INTERVAL;
            if now >= *kill_at && !*killed {
                *killed = true;
                return vec![Action::SignalGroup(Signal::KILL)];
            }
            return Vec::new();
        }
        if self.output_closed {
            self.phase = Phase::Finished;
            return vec![Action::Finish(code)];
        }
        let cap = (self.client_left || !self.passed_on.is_empty()).then(|| now + self.graces.shutdown);
        self.drain(code, true, facts, now, cap);
        Vec::new()
    }
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
