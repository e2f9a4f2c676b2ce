//! Client reports, and what a flush waits for.

use super::*;

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
fn drops_of_items_that_never_came_in_are_reported_too() {
    let mut world = World::new([10_000; Lane::COUNT], 1);
    world.single(Lane::Error, 20_000);
    world.pass(Duration::from_secs(30));
    world.answer_all(ok);
    assert_eq!(world.reported.len(), 1);
}

#[test]
fn during_an_outage_drops_do_not_wake_the_worker_one_by_one() {
    let mut world = World::new([MIB; Lane::COUNT], 1);
    world.single(Lane::Error, 10);
    for _ in 0..100 {
        world.answer_all(unreachable_sentry);
        world.pass(Duration::from_secs(1));
    }
    let mut wakes = 0;
    for _ in 0..100 {
        let mut effects = Effects::default();
        world.state.discard(DropReason::BeforeSend, Category::Error, 1, &mut effects);
        if effects.wake {
            wakes += 1;
            world.work();
        }
    }
    assert_eq!(wakes, 1);
}

#[test]
fn a_report_that_takes_for_ever_does_not_keep_the_worker_awake() {
    let mut world = World::roomy();
    let discard = |world: &mut World| {
        world.act(|state, _, effects| state.discard(DropReason::SampleRate, Category::Span, 1, effects));
    };
    discard(&mut world);
    world.flush();
    assert_eq!(world.under_way.len(), 1);
    discard(&mut world);
    // The world itself finds a worker that never sleeps.
    world.pass(Duration::from_secs(120));
    assert_eq!(world.under_way.len(), 1);
    world.answer_all(ok);
    assert_eq!(world.reported.len(), 2);
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
fn a_flush_also_reports_what_was_dropped_while_it_was_waited_for() {
    let mut world = World::new([MIB; Lane::COUNT], 1);
    world.single(Lane::Error, 10);
    world.single(Lane::Error, 10);
    let ticket = world.flush();
    world.answer(0, ok());
    world.answer(0, status(400));
    assert!(world.state.is_delivered(ticket) && !world.state.is_settled(ticket, world.now));
    world.answer(0, ok());
    assert!(world.state.is_settled(ticket, world.now));
    assert_eq!(world.reported.len(), 1);
}

#[test]
fn an_answer_that_concludes_one_flush_does_not_conclude_the_next() {
    let mut world = World::new([MIB; Lane::COUNT], 1);
    world.single(Lane::Error, 10);
    world.flush();
    world.answer(0, ok());
    // Under way when the second flush begins, and nothing of before the first one is left.
    world.single(Lane::Error, 10);
    world.single(Lane::Error, 10);
    let ticket = world.flush();
    world.answer(0, ok());
    world.answer(0, status(400));
    assert!(!world.state.is_settled(ticket, world.now));
    world.answer(0, ok());
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
