//! Whatever happens, in whatever order: the account is exact, and in the end everything is sent or dropped.

use proptest::prelude::*;

use super::*;

/// What can happen.
#[derive(Clone, Debug)]
enum Event {
    Log(usize),
    Logs(usize),
    Single(Lane, usize),
    Span(u8, usize, bool),
    Hybrid(usize),
    /// An envelope of another SDK with items of these kinds and so many attachments.
    Foreign(Vec<&'static str>, usize),
    Discard(u64),
    Pass(u64),
    Answer(usize, u16),
    Unreachable(usize),
    Limit(usize, &'static str),
    Flush,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let lane = prop_oneof![Just(Lane::Error), Just(Lane::Transaction)];
    let limits = prop_oneof![
        Just("1:log_item:o"),
        Just("2:span:o"),
        Just("1::o"),
        Just("3:error;log_byte:o"),
        Just("2:transaction:o"),
        Just("2:attachment;session:o"),
        Just("1:monitor;trace_metric_byte;default:o")
    ];
    let kinds = proptest::sample::subsequence(
        vec!["event", "transaction", "session", "check_in", "log", "span", "trace_metric", "feedback", "client_report"],
        0..5,
    );
    let statuses = prop_oneof![Just(200_u16), Just(200), Just(400), Just(413), Just(429), Just(500)];
    let event = prop_oneof![
        4 => (1..3_000_usize).prop_map(Event::Log),
        2 => (1..250_usize).prop_map(Event::Logs),
        3 => (lane, 1..3_000_usize).prop_map(|(lane, bytes)| Event::Single(lane, bytes)),
        3 => (0..4_u8, 1..3_000_usize, any::<bool>()).prop_map(|(trace, bytes, ends)| Event::Span(trace, bytes, ends)),
        2 => (0..5_usize).prop_map(Event::Hybrid),
        3 => (kinds, 0..3_usize).prop_map(|(kinds, attachments)| Event::Foreign(kinds, attachments)),
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
        held[Category::Span as usize] += parcel.streamed.ends.len() as u64;
        if parcel.load.lane == Lane::Error {
            held[Category::Attachment as usize] += parcel.load.streamed;
        }
        if parcel.load.lane == Lane::Metric {
            held[Category::TraceMetricByte as usize] += parcel.load.bytes;
        }
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
                Event::Hybrid(spans) => {
                    world.hybrid(spans);
                }
                Event::Foreign(kinds, attachments) => {
                    let mut envelope = b"{}\n".to_vec();
                    for kind in kinds.into_iter().chain((0..attachments).map(|_| "attachment")) {
                        let bytes = if kind == "attachment" { "x".repeat(1_000) } else { "{}".to_owned() };
                        let item = format!("{{\"type\":\"{kind}\",\"length\":{}}}\n{bytes}\n", bytes.len());
                        envelope.extend_from_slice(item.as_bytes());
                    }
                    for parcel in foreign::parcels(&envelope, "key").unwrap() {
                        world.act(|state, now, effects| state.single(parcel, || now, effects));
                    }
                }
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
        let arrived: u64 = world.arrived.iter().map(|load| load.items + load.streamed).sum();
        prop_assert_eq!(world.outcome().sent(), arrived);
        let reported: u64 = world.reported.iter().filter(|items| items.category == Category::LogItem).map(|i| i.quantity).sum();
        let logs = *world.outcome().tally(Category::LogItem);
        prop_assert_eq!(reported, logs.dropped() - logs.dropped_by(DropReason::RateLimited));
    }
}
