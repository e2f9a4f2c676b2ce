//! The state on a clock of its own: single rules by example, the account and the liveness by any sequence of events.

mod account;
mod drops;
mod outage;
mod reports;
mod spool;
mod waking;

use std::time::SystemTime;

use super::*;
use crate::{
    delivery::{
        answer::{Answer, Response},
        batch::MAX_AGE,
        dispatch::Shipment,
        encoded::{EncodedSpans, EncodedTransaction},
        foreign,
    },
    wire::{DiscardedItems, EventId, TraceId},
};

const MIB: usize = 1 << 20;

/// A worker and its clock: it looks at the state when it is woken or when its time has come, never otherwise.
struct World {
    state: State,
    now: Instant,
    wakes_at: Option<Instant>,
    under_way: Vec<Shipment>,
    notices: Vec<Notice>,
    /// Shipments that were answered with success, and the reports in them.
    arrived: Vec<Load>,
    reported: Vec<DiscardedItems>,
}

impl World {
    fn new(limits: [usize; Lane::COUNT], max_in_flight: usize) -> Self {
        let mut state = State::new(limits, max_in_flight, true);
        // The same in each run, or a failure could not be repeated.
        state.jitter = Jitter(0x5eed);
        let now = Instant::now();
        Self {
            state,
            now,
            wakes_at: None,
            under_way: Vec::new(),
            notices: Vec::new(),
            arrived: Vec::new(),
            reported: Vec::new(),
        }
    }

    fn roomy() -> Self {
        Self::new([MIB; Lane::COUNT], 4)
    }

    fn act<R>(&mut self, act: impl FnOnce(&mut State, Instant, &mut Effects) -> R) -> R {
        let mut effects = Effects::default();
        let result = act(&mut self.state, self.now, &mut effects);
        self.notices.append(&mut effects.notices);
        if effects.wake {
            self.work();
        }
        result
    }

    fn log(&mut self, bytes: usize) {
        let json = vec![b'x'; bytes];
        self.act(|state, now, effects| state.log(&json, || now, effects));
    }

    fn single(&mut self, lane: Lane, bytes: usize) {
        let spans = if lane == Lane::Transaction { 3 } else { 0 };
        let parcel = Parcel::single(lane, EventId([1; 16]), None, vec![b'x'; bytes], spans);
        self.act(|state, now, effects| state.single(parcel, || now, effects));
    }

    /// A transaction with so many spans beside it; the answer is the ticket of a flush that begins after it was queued.
    fn hybrid(&mut self, spans: usize) -> u64 {
        let mut streamed = EncodedSpans::new();
        (0..spans).for_each(|_| streamed.push(b"{}"));
        let transaction = EncodedTransaction { event_id: EventId([2; 16]), json: b"{}".to_vec(), spans: 1, streamed };
        let parcel = Parcel::transaction(transaction, Some(&context(1)));
        self.act(|state, now, effects| state.single(parcel, || now, effects));
        self.flush()
    }

    fn span(&mut self, trace: u8, bytes: usize, ends_segment: bool) {
        let json = vec![b'x'; bytes];
        self.act(|state, now, effects| state.span(&json, ends_segment, &context(trace), || now, effects));
    }

    fn flush(&mut self) -> u64 {
        self.act(State::begin_flush)
    }

    fn answer(&mut self, place: usize, answer: Answer) {
        let shipment = self.under_way.remove(place);
        if matches!(&answer, Answer::Response(response) if response.status == 200) {
            self.arrived.extend(shipment.parcel.as_ref().map(|parcel| parcel.load));
            self.reported.extend(&shipment.report);
        }
        self.act(|state, now, effects| state.answered(shipment, answer, SystemTime::now(), now, effects));
        // A sender that has its answer looks for more, and wakes the worker when it finds none.
        self.work();
    }

    fn answer_all(&mut self, answer: impl Fn() -> Answer) {
        while !self.under_way.is_empty() {
            self.answer(0, answer());
        }
    }

    /// Lets time pass, waking the worker when it asked to be.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(wakes_at) = self.wakes_at.filter(|at| *at <= end) {
            self.now = self.now.max(wakes_at);
            self.work();
        }
        self.now = end;
    }

    fn work(&mut self) {
        let mut effects = Effects::default();
        while let Some(shipment) = self.state.next(self.now, &mut effects) {
            self.under_way.push(shipment);
        }
        self.wakes_at = self.state.sleep(self.now);
        assert!(self.wakes_at.is_none_or(|at| at > self.now), "a worker that never sleeps");
        self.notices.append(&mut effects.notices);
    }

    fn outcome(&self) -> Outcome {
        self.state.outcome()
    }

    fn sizes(&self) -> Vec<u64> {
        self.under_way.iter().filter_map(|shipment| Some(shipment.parcel.as_ref()?.load.items)).collect()
    }
}

fn ok() -> Answer {
    status(200)
}

fn status(status: u16) -> Answer {
    Answer::Response(Response { status, ..Response::default() })
}

fn limited(status: u16, rate_limits: &str) -> Answer {
    Answer::Response(Response { status, rate_limits: Some(rate_limits.to_owned()), ..Response::default() })
}

fn unreachable_sentry() -> Answer {
    Answer::Failed("connection refused".to_owned())
}

fn context(trace: u8) -> DynamicSamplingContext<'static> {
    DynamicSamplingContext {
        trace_id: TraceId([trace; 16]),
        public_key: "key".into(),
        sample_rate: None,
        sample_rand: None,
        sampled: None,
        release: None,
        environment: None,
        transaction: None,
        org_id: None,
    }
}
