//! When the worker is woken, and how long it sleeps.

use super::*;

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
fn a_batch_that_begins_while_the_worker_sleeps_over_another_matter_is_on_time_too() {
    for begin in [|world: &mut World| world.log(10), |world: &mut World| world.span(1, 10, false)] {
        let mut world = World::roomy();
        world.single(Lane::Error, 10);
        world.pass(Duration::from_secs(3));
        begin(&mut world);
        world.pass(Duration::from_secs(1));
        world.answer_all(ok);
        world.pass(MAX_AGE - Duration::from_millis(1_001));
        assert!(world.under_way.is_empty());
        world.pass(Duration::from_millis(1));
        assert_eq!(world.sizes(), [1]);
    }
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
