//! What is dropped, why, and that nothing else is.

use super::*;

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
fn spans_beside_a_limited_transaction_are_sent_alone() {
    let mut world = World::roomy();
    world.single(Lane::Transaction, 10);
    world.answer(0, limited(200, "60:transaction:org"));
    let ticket = world.hybrid(2);
    assert!(!world.state.is_delivered(ticket), "the spans are in the flush of their transaction");
    world.answer_all(ok);
    assert!(world.state.is_delivered(ticket));
    let outcome = world.outcome();
    assert_eq!((outcome.tally(Category::Transaction).sent, outcome.tally(Category::Transaction).dropped()), (1, 1));
    assert_eq!((outcome.tally(Category::Span).sent, outcome.tally(Category::Span).dropped()), (2, 0));
    let counted: Vec<_> = world.reported.iter().map(|items| (items.category, items.quantity)).collect();
    assert_eq!(counted, [(Category::Transaction, 1), (Category::Span, 1)]);

    world.answer_all(ok);
    world.single(Lane::Error, 10);
    world.answer(0, limited(200, "60:span:org"));
    world.hybrid(2);
    assert_eq!(world.outcome().tally(Category::Span).dropped_by(DropReason::RatelimitBackoff), 2);
}

#[test]
fn spans_parted_from_a_transaction_that_was_too_large_keep_to_their_lanes_bound() {
    let mut world = World::new([4_000; Lane::COUNT], 2);
    world.hybrid(400);
    (0..3).for_each(|_| world.span(1, 1_000, false));
    world.answer(0, status(413));
    let (bytes, limit) = world.state.queues.fill(Lane::Span);
    assert!(bytes + world.state.open_bytes(Lane::Span) <= limit);
    world.flush();
    while !world.under_way.is_empty() {
        world.answer_all(ok);
    }
    let spans = *world.outcome().tally(Category::Span);
    assert_eq!((spans.accepted, spans.held), (spans.sent + spans.dropped(), 0));
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
    let ticket = world.flush();
    world.answer(0, status(413));
    assert_eq!(world.sizes(), [50, 50]);
    world.answer(0, ok());
    assert!(!world.state.is_delivered(ticket), "the other half is still under way");
    world.answer(0, status(413));
    assert!(world.state.is_delivered(ticket));
    let outcome = world.outcome();
    assert_eq!((outcome.sent(), outcome.dropped_by(DropReason::SendError), outcome.held()), (50, 50, 0));
    assert!(world.notices.iter().any(|notice| matches!(notice, Notice::TooLarge { halved: true, .. })));
}

#[test]
fn what_is_too_large_by_itself_is_dropped_and_named() {
    let mut world = World::roomy();
    world.single(Lane::Error, 10);
    world.answer(0, status(413));
    assert_eq!(world.outcome().dropped_by(DropReason::SendError), 1);
    let id = EventId([1; 16]).to_string();
    let named = |notice: &Notice| matches!(notice, Notice::TooLarge { item, halved: false, .. } if item.contains(&id));
    assert!(world.notices.iter().any(named), "{:?}", world.notices);
}

#[test]
fn beyond_eight_mebibytes_under_way_the_rest_waits_whatever_the_slots() {
    let mut world = World::new([64 * MIB; Lane::COUNT], 16);
    (0..8).for_each(|_| world.single(Lane::Transaction, 3 * MIB));
    assert_eq!(world.under_way.len(), 3);
    world.answer(0, ok());
    assert_eq!(world.under_way.len(), 3, "one is done, and one has begun");
    world.answer_all(ok);
    assert_eq!((world.outcome().sent(), world.outcome().held()), (8, 0));
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
