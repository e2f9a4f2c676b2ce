//! Sentry cannot be reached: what is held, and how often it is tried.

use super::*;

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
fn what_looks_whether_sentry_is_back_is_not_what_has_failed_before() {
    let mut world = World::new([MIB; Lane::COUNT], 1);
    world.single(Lane::Error, 666);
    while !world.state.circuit.is_paused() {
        world.answer_all(|| status(500));
        world.pass(Duration::from_secs(1));
    }
    world.answer_all(|| status(500));
    world.single(Lane::Error, 10);
    // Which makes both due.
    world.flush();
    world.pass(Duration::from_secs(60));
    assert_eq!(world.under_way[0].parcel.as_ref().unwrap().payload.len(), 10);
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
    world.answer_all(unreachable_sentry);
    world.flush();
    world.pass(Duration::from_millis(200));
    world.answer_all(ok);
    assert_eq!(world.outcome().sent(), 1);
}
