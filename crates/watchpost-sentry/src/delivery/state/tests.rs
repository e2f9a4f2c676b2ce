//! The state on a clock of its own: single rules by example, the account and the liveness by any sequence of events.

use std::time::SystemTime;

use proptest::prelude::*;

use super::*;
use crate::{
    delivery::{
        answer::{Answer, Response},
        batch::MAX_AGE,
        dispatch::Shipment,
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
        let state = State::new(limits, max_in_flight, true);
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

    fn span(&mut self, trace: u8, bytes: usize, ends_segment: bool) {
        let json = vec![b'x'; bytes];
        let context = DynamicSamplingContext {
            trace_id: TraceId([trace; 16]),
            public_key: "key".into(),
            sample_rate: None,
            sample_rand: None,
            sampled: None,
            release: None,
            environment: None,
            transaction: None,
            org_id: None,
        };
        self.act(|state, now, effects| state.span(&json, ends_segment, &context, || now, effects));
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

#[test]
fn a_lone_log_is_sent_five_seconds_after_it_came() {
    let mut world = World::roomy();
    world.log(10);
    world.pass(MAX_AGE - Duration::from_millis(1));
    assert!(world.under_way.is_empty());
    world.pass(Duration::from_millis(1));
    assert_eq!(world.sizes(), [1]);
}

#[test]
fn the_worker_is_woken_by_the_first_log_and_by_full_batches_and_by_nothing_between() {
    let mut state = State::new([MIB; Lane::COUNT], 4, true);
    let now = Instant::now();
    let mut wakes = Vec::new();
    for number in 1..=100 {
        let mut effects = Effects::default();
        state.log(b"{}", || now, &mut effects);
        if effects.wake {
            wakes.push(number);
            assert!(state.next(now, &mut effects).is_none() || number == 100);
            state.sleep(now);
        }
    }
    assert_eq!(wakes, [1, 100]);
}

#[test]
fn in_steady_traffic_the_begin_of_a_batch_wakes_nobody() {
    let mut world = World::roomy();
    for _ in 0..150 {
        world.log(2);
    }
    let mut effects = Effects::default();
    let now = world.now;
    for _ in 0..50 {
        world.state.log(b"{}", || now, &mut effects);
    }
    assert!(effects.wake, "a full batch wakes");
    world.work();
    effects.wake = false;
    world.state.log(b"{}", || now, &mut effects);
    assert!(!effects.wake, "the worker looks around once more by itself");
    assert!(world.wakes_at.unwrap() <= now + MAX_AGE);
}

#[test]
fn an_idle_worker_sleeps_without_a_clock() {
    let mut world = World::roomy();
    world.single(Lane::Error, 10);
    world.answer_all(ok);
    world.pass(Duration::from_secs(60));
    assert_eq!(world.wakes_at, None);
}

#[test]
fn errors_survive_a_flood_of_logs() {
    let mut world = World::new([64 * 1024; Lane::COUNT], 1);
    world.single(Lane::Transaction, 10);
    for _ in 0..100 {
        world.single(Lane::Error, 100);
    }
    for _ in 0..10_000 {
        world.log(100);
    }
    while !world.under_way.is_empty() {
        world.answer_all(ok);
        world.pass(MAX_AGE);
    }
    let outcome = world.outcome();
    assert_eq!(outcome.tally(Category::Error).sent, 100);
    let logs = outcome.tally(Category::LogItem);
    assert!(logs.dropped_by(DropReason::QueueOverflow) > 0);
    assert_eq!(logs.sent + logs.dropped(), 10_000);
    assert!(world.notices.iter().any(|notice| matches!(notice, Notice::Overflow { lane: Lane::Log })));
}

#[test]
fn what_is_limited_is_dropped_and_reported_and_the_rest_goes_on() {
    let mut world = World::roomy();
    world.single(Lane::Transaction, 10);
    world.answer(0, limited(200, "60:transaction:org"));
    world.single(Lane::Transaction, 10);
    world.single(Lane::Error, 10);
    world.answer_all(ok);
    let outcome = world.outcome();
    assert_eq!((outcome.sent(), outcome.dropped_by(DropReason::RatelimitBackoff)), (2, 1));
    let counted: Vec<_> = world.reported.iter().map(|items| (items.category, items.quantity)).collect();
    assert_eq!(counted, [(Category::Transaction, 1), (Category::Span, 3)]);
    world.pass(Duration::from_secs(60));
    world.single(Lane::Transaction, 10);
    assert_eq!(world.under_way.len(), 1);
}

#[test]
fn a_429_drops_its_item_without_a_report_and_stops_everything_for_a_minute() {
    let mut world = World::roomy();
    world.single(Lane::Error, 10);
    world.answer(0, status(429));
    world.single(Lane::Error, 10);
    let outcome = world.outcome();
    assert_eq!(outcome.dropped_by(DropReason::RateLimited), 1);
    assert_eq!(outcome.dropped_by(DropReason::RatelimitBackoff), 1);
    assert!(world.under_way.is_empty());
    world.pass(Duration::from_secs(61));
    world.answer_all(ok);
    let counted: Vec<_> = world.reported.iter().map(|items| (items.category, items.quantity)).collect();
    assert_eq!(counted, [(Category::Error, 1)], "only the one that we dropped ourselves");
}

#[test]
fn a_batch_that_is_too_large_is_halved_once_and_then_dropped() {
    let mut world = World::roomy();
    for _ in 0..100 {
        world.log(10);
    }
    world.answer(0, status(413));
    assert_eq!(world.sizes(), [50, 50]);
    world.answer(0, ok());
    world.answer(0, status(413));
    let outcome = world.outcome();
    assert_eq!((outcome.sent(), outcome.dropped_by(DropReason::SendError), outcome.held()), (50, 50, 0));
    assert!(world.notices.iter().any(|notice| matches!(notice, Notice::TooLarge { halved: true, .. })));
}

#[test]
fn what_sentry_refuses_is_dropped_and_reported_with_the_next_envelope() {
    let mut world = World::roomy();
    world.single(Lane::Error, 10);
    world.answer(0, status(400));
    assert_eq!(world.outcome().dropped_by(DropReason::SendError), 1);
    world.single(Lane::Error, 10);
    world.answer_all(ok);
    assert_eq!(world.reported.len(), 1);
}

#[test]
fn drops_that_no_envelope_carries_are_reported_after_half_a_minute() {
    let mut world = World::roomy();
    world.act(|state, _, effects| state.discard(DropReason::SampleRate, Category::Transaction, 3, effects));
    world.pass(Duration::from_secs(29));
    assert!(world.under_way.is_empty());
    world.pass(Duration::from_secs(1));
    world.answer_all(ok);
    assert_eq!(world.reported.iter().map(|items| items.quantity).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_flush_sends_the_report_at_once_and_waits_for_it() {
    let mut world = World::roomy();
    world.act(|state, _, effects| state.discard(DropReason::SampleRate, Category::Transaction, 3, effects));
    let ticket = world.flush();
    assert!(!world.state.is_settled(ticket, world.now));
    assert!(world.state.is_delivered(ticket));
    world.answer_all(ok);
    assert!(world.state.is_settled(ticket, world.now));
    assert_eq!(world.reported.len(), 1);
}

#[test]
fn a_report_that_fails_is_put_back_and_does_not_hold_up_the_flush() {
    let mut world = World::roomy();
    world.act(|state, _, effects| state.discard(DropReason::SampleRate, Category::Transaction, 3, effects));
    let ticket = world.flush();
    world.answer_all(|| status(500));
    assert!(world.state.is_settled(ticket, world.now));
    world.single(Lane::Error, 10);
    world.answer_all(ok);
    assert_eq!(world.reported.iter().map(|items| items.quantity).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_flush_waits_for_what_came_before_it_and_not_for_what_comes_after() {
    let mut world = World::new([MIB; Lane::COUNT], 8);
    world.log(10);
    world.single(Lane::Error, 10);
    let ticket = world.flush();
    world.single(Lane::Transaction, 10);
    assert_eq!(world.under_way.len(), 3);
    world.answer(0, ok());
    assert!(!world.state.is_settled(ticket, world.now));
    world.answer(0, ok());
    assert!(world.state.is_settled(ticket, world.now), "the transaction came later");
}

#[test]
fn an_outage_holds_everything_and_tries_ever_more_rarely() {
    let mut world = World::new([MIB; Lane::COUNT], 2);
    for _ in 0..20 {
        world.single(Lane::Error, 10);
    }
    let mut tries = 0;
    for _ in 0..600 {
        tries += world.under_way.len();
        world.answer_all(unreachable_sentry);
        world.pass(Duration::from_secs(1));
    }
    assert!((20..60).contains(&tries), "{tries} tries in ten minutes");
    assert_eq!((world.outcome().held(), world.outcome().dropped()), (20, 0));
    for _ in 0..60 {
        world.pass(Duration::from_secs(1));
        world.answer_all(ok);
    }
    assert_eq!(world.outcome().sent(), 20);
    assert!(world.notices.iter().any(|notice| matches!(notice, Notice::Recovered)));
}

#[test]
fn one_item_that_always_fails_does_not_stop_the_others() {
    let mut world = World::new([MIB; Lane::COUNT], 1);
    world.single(Lane::Error, 666);
    for _ in 0..200 {
        world.single(Lane::Error, 10);
    }
    for _ in 0..100 {
        while let Some(shipment) = world.under_way.first() {
            let poison = shipment.parcel.as_ref().is_some_and(|parcel| parcel.payload.len() == 666);
            world.answer(0, if poison { status(500) } else { ok() });
        }
        world.pass(Duration::from_millis(100));
    }
    assert_eq!((world.outcome().sent(), world.outcome().held()), (200, 1));
}

#[test]
fn an_overfull_buffer_in_an_outage_drops_what_was_tried_as_network_error() {
    let one = Parcel::single(Lane::Error, EventId([1; 16]), None, vec![0; 1_000], 0).footprint();
    let mut world = World::new([4 * one; Lane::COUNT], 1);
    for _ in 0..10 {
        world.single(Lane::Error, 1_000);
        world.answer_all(unreachable_sentry);
    }
    let outcome = world.outcome();
    assert_eq!(outcome.held(), 4);
    assert!(outcome.dropped_by(DropReason::NetworkError) >= 1);
    assert_eq!(outcome.dropped_by(DropReason::NetworkError) + outcome.dropped_by(DropReason::QueueOverflow), 6);
}

#[test]
fn a_flush_during_a_long_pause_tries_once_at_once() {
    let mut world = World::new([MIB; Lane::COUNT], 1);
    world.single(Lane::Error, 10);
    for _ in 0..300 {
        world.answer_all(unreachable_sentry);
        world.pass(Duration::from_secs(1));
    }
    assert!(world.under_way.is_empty(), "pausing");
    world.flush();
    world.pass(Duration::from_millis(200));
    world.answer_all(ok);
    assert_eq!(world.outcome().sent(), 1);
}

#[test]
fn after_the_close_items_are_counted_as_dropped_and_not_reported() {
    let mut world = World::roomy();
    world.state.close();
    world.log(10);
    world.single(Lane::Transaction, 10);
    world.span(1, 10, true);
    let outcome = world.outcome();
    assert_eq!((outcome.accepted(), outcome.dropped_by(DropReason::AfterShutdown)), (3, 3));
    assert!(!world.state.ledger.has_unreported());
    assert_eq!(world.wakes_at, None);
}

#[test]
fn an_item_larger_than_its_buffer_is_dropped_alone() {
    let mut world = World::new([10_000; Lane::COUNT], 1);
    world.log(100);
    world.log(20_000);
    world.single(Lane::Error, 20_000);
    let outcome = world.outcome();
    assert_eq!((outcome.held(), outcome.dropped_by(DropReason::QueueOverflow)), (1, 2));
}

/// What can happen.
#[derive(Clone, Debug)]
enum Event {
    Log(usize),
    Logs(usize),
    Single(Lane, usize),
    Span(u8, usize, bool),
    Discard(u64),
    Pass(u64),
    Answer(usize, u16),
    Unreachable(usize),
    Limit(usize, &'static str),
    Flush,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let lane = prop_oneof![Just(Lane::Error), Just(Lane::Transaction)];
    let limits = prop_oneof![Just("1:log_item:o"), Just("2:span:o"), Just("1::o"), Just("3:error;log_byte:o")];
    let statuses = prop_oneof![Just(200_u16), Just(200), Just(400), Just(413), Just(429), Just(500)];
    let event = prop_oneof![
        4 => (1..3_000_usize).prop_map(Event::Log),
        2 => (1..250_usize).prop_map(Event::Logs),
        3 => (lane, 1..3_000_usize).prop_map(|(lane, bytes)| Event::Single(lane, bytes)),
        3 => (0..4_u8, 1..3_000_usize, any::<bool>()).prop_map(|(trace, bytes, ends)| Event::Span(trace, bytes, ends)),
        1 => (1..9_u64).prop_map(Event::Discard),
        2 => (0..8_000_u64).prop_map(Event::Pass),
        6 => (0..8_usize, statuses).prop_map(|(place, status)| Event::Answer(place, status)),
        2 => (0..8_usize).prop_map(Event::Unreachable),
        1 => (0..8_usize, limits).prop_map(|(place, limits)| Event::Limit(place, limits)),
        1 => Just(Event::Flush),
    ];
    proptest::collection::vec(event, 0..120)
}

/// Items in batches, queues and under way, by category: counted from the things themselves, not from the ledger.
fn count_held(world: &World) -> [u64; Category::ALL.len()] {
    let mut held = [0; Category::ALL.len()];
    let shipped = world.under_way.iter().filter_map(|shipment| shipment.parcel.as_ref());
    for parcel in world.state.queues.parcels().chain(shipped) {
        held[parcel.load.lane.category() as usize] += parcel.load.items;
        if parcel.load.lane == Lane::Log {
            held[Category::LogByte as usize] += parcel.load.bytes;
        }
    }
    let (logs, log_bytes) = world.state.logs.held();
    held[Category::LogItem as usize] += logs;
    held[Category::LogByte as usize] += log_bytes;
    held[Category::Span as usize] += world.state.spans.held();
    held
}

fn check_account(world: &World) -> Result<(), TestCaseError> {
    let (outcome, held) = (world.outcome(), count_held(world));
    for category in Category::ALL {
        let tally = outcome.tally(*category);
        prop_assert_eq!(tally.accepted, tally.sent + tally.held + tally.dropped(), "{}", category);
        prop_assert_eq!(tally.held, held[*category as usize], "{}", category);
    }
    for lane in Lane::ALL {
        let footprints = world.state.queues.parcels().filter(|parcel| parcel.load.lane == lane).map(Parcel::footprint);
        let (bytes, limit) = world.state.queues.fill(lane);
        prop_assert_eq!(bytes, footprints.sum::<usize>());
        prop_assert!(bytes + world.state.open_bytes(lane) <= limit, "{:?}", lane);
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_happens_the_account_is_exact_and_in_the_end_everything_is_sent_or_dropped(
        events in events(),
        limit in 8_000_usize..100_000,
        slots in 1_usize..5,
    ) {
        let mut world = World::new([limit; Lane::COUNT], slots);
        for event in events {
            match event {
                Event::Log(bytes) => world.log(bytes),
                Event::Logs(count) => (0..count).for_each(|_| world.log(20)),
                Event::Single(lane, bytes) => world.single(lane, bytes),
                Event::Span(trace, bytes, ends) => world.span(trace, bytes, ends),
                Event::Discard(count) => world.act(|state, _, effects| {
                    state.discard(DropReason::BeforeSend, Category::LogItem, count, effects);
                }),
                Event::Pass(millis) => world.pass(Duration::from_millis(millis)),
                Event::Flush => {
                    world.flush();
                }
                Event::Answer(place, code) if place < world.under_way.len() => world.answer(place, status(code)),
                Event::Unreachable(place) if place < world.under_way.len() => {
                    world.answer(place, unreachable_sentry());
                }
                Event::Limit(place, limits) if place < world.under_way.len() => {
                    world.answer(place, limited(200, limits));
                }
                Event::Answer(..) | Event::Unreachable(_) | Event::Limit(..) => {}
            }
            check_account(&world)?;
        }
        let ticket = world.flush();
        for _ in 0..200 {
            world.answer_all(ok);
            world.pass(Duration::from_secs(1));
        }
        check_account(&world)?;
        prop_assert_eq!(world.outcome().held(), 0);
        prop_assert!(world.state.is_settled(ticket, world.now));
        prop_assert!(!world.state.ledger.has_unreported());
        let arrived: u64 = world.arrived.iter().map(|load| load.items).sum();
        prop_assert_eq!(world.outcome().sent(), arrived);
        let reported: u64 = world.reported.iter().filter(|items| items.category == Category::LogItem).map(|i| i.quantity).sum();
        let logs = *world.outcome().tally(Category::LogItem);
        prop_assert_eq!(reported, logs.dropped() - logs.dropped_by(DropReason::RateLimited));
    }
}
