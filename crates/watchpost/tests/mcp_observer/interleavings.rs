//! The session against a model of itself, over any interleaving of requests, answers, cancellations, gaps and time:
//! every request yields exactly one event, the right one, and none is lost.

use std::collections::VecDeque;

use proptest::prelude::*;
use watchpost::{
    mcp::ObserverOptions,
    model::{Completion, Direction, McpEvent},
};

use crate::wire::{FROM_CLIENT, FROM_SERVER, Wire, options};

const MAX_OPEN: usize = 4;
const MAX_AGE_SECONDS: u64 = 100;

/// Few ids, so that they repeat in flight and after.
const IDS: &[&str] = &["1", r#""1""#, "2", "null", r#""a""#];

#[derive(Clone, Copy, Debug)]
enum Step {
    Request(Direction, usize),
    /// An answer to a call made in the direction; with an error or not.
    Answer(Direction, usize, bool),
    Cancel(Direction, usize),
    /// Bytes that went in the direction were not observed.
    Gap(Direction),
    /// Seconds pass, and the session is told.
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let direction = || prop::sample::select(&[FROM_CLIENT, FROM_SERVER][..]);
    let id = || 0..IDS.len();
    prop_oneof![
        5 => (direction(), id()).prop_map(|(direction, id)| Step::Request(direction, id)),
        4 => (direction(), id(), any::<bool>()).prop_map(|(direction, id, error)| Step::Answer(direction, id, error)),
        2 => (direction(), id()).prop_map(|(direction, id)| Step::Cancel(direction, id)),
        1 => direction().prop_map(Step::Gap),
        1 => (1..MAX_AGE_SECONDS).prop_map(Step::Pass),
    ]
}

/// A call the model knows to be open.
#[derive(Clone, Copy)]
struct Open {
    serial: usize,
    id: usize,
    since: u64,
    doubted: bool,
}

#[derive(Debug, PartialEq)]
struct Ended {
    serial: usize,
    direction: Direction,
    completion: Completion,
    is_error: bool,
    millis: u64,
}

#[derive(Default)]
struct Model {
    open: [VecDeque<Open>; 2],
    ended: Vec<Ended>,
    unmatched: u64,
}

impl Model {
    fn open(&mut self, direction: Direction) -> &mut VecDeque<Open> {
        &mut self.open[usize::from(direction == FROM_SERVER)]
    }

    fn take(&mut self, direction: Direction, id: usize) -> Option<Open> {
        let calls = self.open(direction);
        let at = calls.iter().position(|call| call.id == id)?;
        calls.remove(at)
    }

    fn end(&mut self, direction: Direction, call: Open, completion: Completion, is_error: bool, now: u64) {
        self.ended.push(Ended { serial: call.serial, direction, completion, is_error, millis: now - call.since });
    }
}

fn opposite(direction: Direction) -> Direction {
    if direction == FROM_CLIENT { FROM_SERVER } else { FROM_CLIENT }
}

fn ended(event: &McpEvent) -> Ended {
    Ended {
        serial: event.resource_name.as_ref().unwrap().parse().unwrap(),
        direction: event.direction,
        completion: event.completion,
        is_error: event.is_error,
        millis: u64::try_from(event.duration.unwrap().as_millis()).unwrap(),
    }
}

fn feed(wire: &mut Wire, direction: Direction, line: &str) {
    let now = wire.now();
    wire.observer.feed(direction, format!("{line}\n").as_bytes(), now);
}

/// Does `step` to the observer and to the model.
fn apply(wire: &mut Wire, model: &mut Model, serial: usize, step: Step) {
    wire.millis += 1;
    let now = wire.millis;
    match step {
        Step::Request(direction, id) => {
            let name = IDS[id];
            feed(wire, direction, &format!(r#"{{"id":{name},"method":"tools/call","params":{{"name":"{serial}"}}}}"#));
            model.open(direction).push_back(Open { serial, id, since: now, doubted: false });
            if model.open(direction).len() > MAX_OPEN
                && let Some(oldest) = model.open(direction).pop_front()
            {
                model.end(direction, oldest, Completion::Expired, false, now);
            }
        }
        Step::Answer(direction, id, error) => {
            let outcome = if error { r#""error":{"code":1,"message":"m"}"# } else { r#""result":{}"# };
            feed(wire, opposite(direction), &format!(r#"{{"id":{},{outcome}}}"#, IDS[id]));
            match model.take(direction, id) {
                Some(call) => model.end(direction, call, Completion::Answered, error, now),
                None => model.unmatched += 1,
            }
        }
        Step::Cancel(direction, id) => {
            let name = IDS[id];
            feed(
                wire,
                direction,
                &format!(r#"{{"method":"notifications/cancelled","params":{{"requestId":{name}}}}}"#),
            );
            if let Some(call) = model.take(direction, id) {
                model.end(direction, call, Completion::Cancelled, false, now);
            }
        }
        Step::Gap(direction) => {
            wire.observer.skip(direction, 1);
            feed(wire, direction, "");
            model.open(opposite(direction)).iter_mut().for_each(|call| call.doubted = true);
        }
        Step::Pass(seconds) => {
            wire.millis += seconds * 1000;
            let now = wire.now();
            wire.observer.expire(now);
            for direction in [FROM_CLIENT, FROM_SERVER] {
                while let Some(call) = model.open(direction).front().copied()
                    && wire.millis - call.since > MAX_AGE_SECONDS * 1000
                {
                    model.open(direction).pop_front();
                    model.end(direction, call, Completion::Expired, !call.doubted, wire.millis);
                }
            }
        }
    }
}

fn model_options() -> ObserverOptions {
    options(|options| {
        options.max_pending = MAX_OPEN;
        options.max_pending_age = std::time::Duration::from_secs(MAX_AGE_SECONDS);
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_request_yields_exactly_one_event(steps in prop::collection::vec(step(), 0..120)) {
        let mut wire = Wire::with(model_options());
        let mut model = Model::default();
        let mut events = Vec::new();
        for (serial, step) in steps.iter().enumerate() {
            apply(&mut wire, &mut model, serial, *step);
            events.extend(wire.events().iter().map(ended));
            prop_assert_eq!(&events, &model.ended, "at once, after {:?}", step);
        }
        events.extend(wire.close().iter().map(ended));
        for direction in [FROM_CLIENT, FROM_SERVER] {
            for call in std::mem::take(model.open(direction)) {
                let (completion, is_error) =
                    if call.doubted { (Completion::Expired, false) } else { (Completion::ConnectionClosed, true) };
                model.end(direction, call, completion, is_error, wire.millis);
            }
        }
        prop_assert_eq!(&events, &model.ended);
        prop_assert_eq!(wire.observer.session_counters().unmatched_answers, model.unmatched);
        prop_assert_eq!(wire.observer.open_calls(), 0);

        let mut serials: Vec<_> = events.iter().map(|event| event.serial).collect();
        serials.sort_unstable();
        let requests = steps.iter().enumerate().filter(|(_, step)| matches!(step, Step::Request(..)));
        prop_assert_eq!(serials, requests.map(|(serial, _)| serial).collect::<Vec<_>>());
    }
}
