//! The thin shell round the [`Lifecycle`]: threads report events to it, its actions are done here.
//! Nothing is decided in this file.

use std::{
    io,
    os::fd::OwnedFd,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use signal_hook::low_level::emulate_default_handler;
use watchpost::model::Direction;

use super::{
    ProxyExit, ProxyOptions, Tap,
    backlog::Backlog,
    client::ClientPipes,
    lifecycle::{Action, Event, Facts, Graces, Lifecycle},
    observe::{ObserverThread, spawn},
    pump::{Meter, Pump, PumpEnd},
    server::{Server, ServerPipes, wait_for_end},
    signals::SignalStream,
    tool_context::Rewriter,
};

/// How long the pumps have to stop at the end. Only one blocked in a write to the client takes longer; it is left behind.
const PUMP_STOP: Duration = Duration::from_millis(100);

/// Everything that runs while the proxy does.
#[derive(Debug)]
pub(super) struct Supervisor {
    lifecycle: Lifecycle,
    server: Server,
    to_server: PumpHandle,
    to_client: PumpHandle,
    backlog: Arc<Backlog>,
    observer: ObserverThread,
    observer_grace: Duration,
    reports: mpsc::Sender<Report>,
    inbox: mpsc::Receiver<Report>,
}

/// What a thread reports.
#[derive(Debug)]
enum Report {
    Event(Event),
    PumpEnded(Direction, PumpEnd),
}

/// A running pump, seen from outside.
#[derive(Debug)]
struct PumpHandle {
    meter: Arc<Meter>,
    /// To drop it is to stop the pump.
    stop: Option<OwnedFd>,
    ended: bool,
}

impl Supervisor {
    /// Starts the threads: two pumps, the observer, and one that waits for the server's end.
    pub(super) fn start<T: Tap>(
        options: &ProxyOptions,
        client: ClientPipes,
        server: Server,
        pipes: ServerPipes,
        make_tap: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Self> {
        let backlog = Arc::new(Backlog::new(options.backlog_bytes));
        let (reports, inbox) = mpsc::channel();
        let start_pump = |direction, source, sink| {
            let rewriter = options.tool_context.as_ref().map(|context| context.rewriter(direction));
            start_pump(direction, source, sink, rewriter, &backlog, &reports)
        };
        let to_server = start_pump(Direction::ClientToServer, client.input, pipes.input)?;
        let to_client = start_pump(Direction::ServerToClient, pipes.output, client.output)?;
        let (group, report) = (server.group(), reports.clone());
        spawn("wp-wait", move || {
            let _ = report.send(Report::Event(Event::ServerEnded(wait_for_end(group))));
        })?;
        let observer = ObserverThread::start(Arc::clone(&backlog), make_tap);
        let graces = Graces { shutdown: options.shutdown_grace, kill: options.kill_grace, drain: options.drain_grace };
        let lifecycle = Lifecycle::new(graces);
        let observer_grace = options.observer_grace;
        Ok(Self { lifecycle, server, to_server, to_client, backlog, observer, observer_grace, reports, inbox })
    }

    /// Lets signals take part.
    pub(super) fn listen_to(&self, mut signals: SignalStream) -> io::Result<()> {
        let report = self.reports.clone();
        spawn("wp-signals", move || {
            while let Some(signal) = signals.next() {
                if report.send(Report::Event(Event::Signal(signal))).is_err() {
                    return;
                }
            }
        })
    }

    /// Does what the lifecycle says until it says that everything is done.
    pub(super) fn supervise(mut self) -> ProxyExit {
        let code = loop {
            let event = self.next_event();
            let actions = self.lifecycle.handle(event, self.facts(), Instant::now());
            if let Some(code) = self.perform(&actions) {
                break code;
            }
        };
        self.finish(code)
    }

    fn next_event(&mut self) -> Event {
        let report = match self.lifecycle.deadline() {
            // We hold a sender ourselves, so the channel is never closed.
            None => self.inbox.recv().ok(),
            Some(at) => self.inbox.recv_timeout(at.saturating_duration_since(Instant::now())).ok(),
        };
        match report {
            None => Event::Deadline,
            Some(Report::Event(event)) => event,
            Some(Report::PumpEnded(direction, end)) => self.note_end(direction, end),
        }
    }

    fn note_end(&mut self, direction: Direction, end: PumpEnd) -> Event {
        match direction {
            Direction::ClientToServer => {
                self.to_server.ended = true;
                match end {
                    // Stopped is what we did because the client had left.
                    PumpEnd::SourceClosed | PumpEnd::Stopped => Event::ClientInputClosed,
                    PumpEnd::SinkClosed => Event::ServerInputClosed,
                }
            }
            Direction::ServerToClient => {
                self.to_client.ended = true;
                Event::OutputClosed { by_client: end == PumpEnd::SinkClosed }
            }
        }
    }

    fn facts(&self) -> Facts {
        Facts {
            to_server: self.to_server.meter.forwarded(),
            to_client: self.to_client.meter.forwarded(),
            client_is_slow: self.to_client.meter.is_writing(),
            group_is_alive: self.server.group_is_alive(),
        }
    }

    fn perform(&mut self, actions: &[Action]) -> Option<u8> {
        for action in actions {
            tracing::debug!(?action, "proxy");
            match *action {
                Action::CloseServerInput => self.to_server.stop = None,
                Action::SignalGroup(signal) => self.server.signal(signal),
                Action::Suspend => {
                    // Returns when somebody continues us.
                    if let Err(error) = emulate_default_handler(Signal::TSTP.as_raw()) {
                        tracing::debug!(%error, "can't stop ourselves");
                    }
                }
                Action::Reap => self.server.reap(),
                Action::Finish(code) => return Some(code),
            }
        }
        None
    }

    fn finish(mut self, code: u8) -> ProxyExit {
        self.to_server.stop = None;
        self.to_client.stop = None;
        let until = Instant::now() + PUMP_STOP;
        while !(self.to_server.ended && self.to_client.ended) {
            match self.inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Report::PumpEnded(direction, end)) => {
                    self.note_end(direction, end);
                }
                Ok(Report::Event(_)) => {}
                Err(_) => break,
            }
        }
        let observer = self.observer.finish(self.observer_grace);
        ProxyExit {
            code,
            bytes_to_server: self.to_server.meter.forwarded(),
            bytes_to_client: self.to_client.meter.forwarded(),
            bytes_unobserved: self.backlog.unobserved(),
            observer,
        }
    }
}

fn start_pump(
    direction: Direction,
    source: OwnedFd,
    sink: OwnedFd,
    rewriter: Option<Rewriter>,
    backlog: &Arc<Backlog>,
    reports: &mpsc::Sender<Report>,
) -> io::Result<PumpHandle> {
    let (stopped, stop) = io::pipe()?;
    let meter = Arc::new(Meter::default());
    let (stopped, pump_meter, backlog) = (stopped.into(), Arc::clone(&meter), Arc::clone(backlog));
    let pump = Pump { direction, source, sink, stop: stopped, meter: pump_meter, backlog, rewriter };
    let (name, report) = match direction {
        Direction::ClientToServer => ("wp-to-server", reports.clone()),
        Direction::ServerToClient => ("wp-to-client", reports.clone()),
    };
    spawn(name, move || {
        let end = pump.run(|| {
            // The server's hang-up is known from its end.
            if direction == Direction::ClientToServer {
                let _ = report.send(Report::Event(Event::ClientHungUp));
            }
        });
        let _ = report.send(Report::PumpEnded(direction, end));
    })?;
    Ok(PumpHandle { meter, stop: Some(stop.into()), ended: false })
}
