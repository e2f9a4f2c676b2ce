//! The lifecycle on a fake clock: each way a connection can end.

use super::{
    Action::{CloseServerInput, Finish, Reap, SignalGroup, Suspend},
    Event::{ClientHungUp, ClientInputClosed, Deadline, OutputClosed, ServerEnded, ServerInputClosed},
    *,
};

const GRACES: Graces =
    Graces { shutdown: Duration::from_secs(5), kill: Duration::from_millis(1500), drain: Duration::from_millis(500) };

/// A lifecycle, its clock and what can be seen from outside.
struct Scene {
    lifecycle: Lifecycle,
    now: Instant,
    start: Instant,
    facts: Facts,
}

impl Scene {
    fn new() -> Self {
        let now = Instant::now();
        let facts = Facts { group_is_alive: true, ..Facts::default() };
        Self { lifecycle: Lifecycle::new(GRACES), now, start: now, facts }
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        self.lifecycle.handle(event, self.facts, self.now)
    }

    /// Lets the time pass to the next deadline. Returns the milliseconds since the start and what is done then.
    fn next(&mut self) -> (u128, Vec<Action>) {
        self.now = self.lifecycle.deadline().expect("a deadline");
        let actions = self.on(Deadline);
        ((self.now - self.start).as_millis(), actions)
    }

    fn pass(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    /// Looks again and again until something is done.
    fn until_action(&mut self) -> (u128, Vec<Action>) {
        for _ in 0..10_000 {
            let (at, actions) = self.next();
            if !actions.is_empty() {
                return (at, actions);
            }
        }
        panic!("nothing is ever done");
    }
}

#[test]
fn a_server_that_ends_at_the_end_of_its_input_is_never_signalled() {
    let mut scene = Scene::new();
    assert_eq!(scene.lifecycle.deadline(), None);
    assert_eq!(scene.on(ClientInputClosed), []);
    assert_eq!(scene.on(OutputClosed { by_client: false }), []);
    assert_eq!(scene.on(ServerEnded(3)), [Reap, SignalGroup(Signal::TERM)]);
    scene.facts.group_is_alive = false;
    assert_eq!(scene.next(), (0, vec![Finish(3)]));
}

#[test]
fn a_stubborn_server_is_terminated_then_killed_then_given_up() {
    let mut scene = Scene::new();
    scene.on(ClientInputClosed);
    assert_eq!(scene.next(), (5_000, vec![SignalGroup(Signal::TERM)]));
    assert_eq!(scene.next(), (6_500, vec![SignalGroup(Signal::KILL)]));
    assert_eq!(scene.next(), (8_500, vec![Finish(137)]));
    assert_eq!(scene.lifecycle.deadline(), None);
}

#[test]
fn a_client_that_closes_our_output_has_left() {
    let mut scene = Scene::new();
    assert_eq!(scene.on(OutputClosed { by_client: true }), [CloseServerInput]);
    assert_eq!(scene.next(), (5_000, vec![SignalGroup(Signal::TERM)]));
}

#[test]
fn a_server_that_closes_its_output_may_run_on() {
    let mut scene = Scene::new();
    assert_eq!(scene.on(OutputClosed { by_client: false }), []);
    assert_eq!(scene.on(ServerInputClosed), []);
    assert_eq!(scene.lifecycle.deadline(), None);
}

#[test]
fn a_signal_is_passed_on_and_the_server_gets_its_grace() {
    let mut scene = Scene::new();
    assert_eq!(scene.on(Event::Signal(Signal::TERM)), [SignalGroup(Signal::TERM)]);
    assert_eq!(scene.next(), (5_000, vec![SignalGroup(Signal::KILL)]));
}

#[test]
fn the_same_signal_twice_kills_at_once() {
    let mut scene = Scene::new();
    scene.on(Event::Signal(Signal::INT));
    scene.pass(10);
    assert_eq!(scene.on(Event::Signal(Signal::INT)), [SignalGroup(Signal::KILL)]);
    assert_eq!(scene.next(), (2_010, vec![Finish(137)]));
}

#[test]
fn a_host_that_closes_signals_and_kills_finds_the_server_gone_before_its_kill() {
    // The official SDKs: close, 2 s, SIGTERM, 2 s, SIGKILL.
    let mut scene = Scene::new();
    scene.on(ClientInputClosed);
    scene.pass(2_000);
    assert_eq!(scene.on(Event::Signal(Signal::TERM)), [SignalGroup(Signal::TERM)]);
    assert_eq!(scene.next(), (3_500, vec![SignalGroup(Signal::KILL)]));
}

#[test]
fn a_host_that_goes_from_interrupt_to_terminate_finds_the_server_gone_before_its_kill() {
    // SIGINT, 100 ms, SIGTERM, 400 ms, SIGKILL: both signals reach the server.
    let mut scene = Scene::new();
    assert_eq!(scene.on(Event::Signal(Signal::INT)), [SignalGroup(Signal::INT)]);
    scene.pass(100);
    assert_eq!(scene.on(Event::Signal(Signal::TERM)), [SignalGroup(Signal::TERM)]);
    assert_eq!(scene.next(), (400, vec![SignalGroup(Signal::KILL)]));
}

#[test]
fn a_client_that_leaves_after_its_signal_shortens_the_grace() {
    let mut scene = Scene::new();
    scene.on(Event::Signal(Signal::TERM));
    scene.pass(100);
    scene.on(ClientInputClosed);
    assert_eq!(scene.next(), (1_600, vec![SignalGroup(Signal::KILL)]));
}

#[test]
fn a_hang_up_with_bytes_left_waits_as_long_as_the_server_takes_some() {
    let mut scene = Scene::new();
    scene.on(ClientHungUp);
    scene.facts.to_server = 1;
    assert_eq!(scene.next(), (5_000, vec![]));
    scene.facts.to_server = 2;
    assert_eq!(scene.next(), (10_000, vec![]));
    assert_eq!(scene.next(), (15_000, vec![SignalGroup(Signal::TERM)]));
}

#[test]
fn the_grace_starts_anew_when_the_last_byte_after_a_hang_up_is_written() {
    let mut scene = Scene::new();
    scene.on(ClientHungUp);
    scene.pass(4_000);
    scene.on(ClientInputClosed);
    assert_eq!(scene.next(), (9_000, vec![SignalGroup(Signal::TERM)]));
}

#[test]
fn user_signals_pass_through_without_consequence() {
    let mut scene = Scene::new();
    assert_eq!(scene.on(Event::Signal(Signal::USR1)), [SignalGroup(Signal::USR1)]);
    assert_eq!(scene.on(Event::Signal(Signal::USR1)), [SignalGroup(Signal::USR1)]);
    assert_eq!(scene.lifecycle.deadline(), None);
}

#[test]
fn a_stop_stops_the_server_too_and_continues_it_after() {
    let mut scene = Scene::new();
    assert_eq!(scene.on(Event::Signal(Signal::TSTP)), [SignalGroup(Signal::TSTP), Suspend, SignalGroup(Signal::CONT)]);
}

#[test]
fn output_held_open_by_a_grandchild_is_followed_while_it_flows_and_then_swept() {
    let mut scene = Scene::new();
    assert_eq!(scene.on(ServerEnded(0)), []);
    scene.facts.to_client = 10;
    assert_eq!(scene.next(), (500, vec![]));
    assert_eq!(scene.next(), (1_000, vec![Reap, SignalGroup(Signal::TERM)]));
    assert_eq!(scene.until_action(), (2_500, vec![SignalGroup(Signal::KILL)]));
    scene.facts.group_is_alive = false;
    assert_eq!(scene.next(), (2_510, vec![]));
    // The rest is dead; what it wrote last still flows, until its end shows.
    assert_eq!(scene.on(OutputClosed { by_client: false }), [Finish(0)]);
}

#[test]
fn an_output_that_somebody_outside_the_group_holds_does_not_hold_us() {
    let mut scene = Scene::new();
    scene.on(ServerEnded(0));
    scene.next();
    scene.facts.group_is_alive = false;
    assert_eq!(scene.until_action(), (1_000, vec![Finish(0)]));
}

#[test]
fn a_group_that_not_even_a_kill_ends_does_not_hold_us() {
    let mut scene = Scene::new();
    scene.on(OutputClosed { by_client: false });
    scene.on(ServerEnded(7));
    assert_eq!(scene.until_action(), (1_500, vec![SignalGroup(Signal::KILL)]));
    assert_eq!(scene.until_action(), (3_500, vec![Finish(7)]));
}

#[test]
fn a_slow_client_that_is_there_gets_everything_however_long_it_takes() {
    let mut scene = Scene::new();
    scene.facts.client_is_slow = true;
    scene.on(ServerEnded(0));
    for _ in 0..1_000 {
        assert_eq!(scene.next().1, []);
    }
    scene.facts.client_is_slow = false;
    assert_eq!(scene.next().1, [Reap, SignalGroup(Signal::TERM)]);
}

#[test]
fn a_client_that_left_and_takes_nothing_is_not_waited_for() {
    let mut scene = Scene::new();
    scene.facts.client_is_slow = true;
    scene.on(ClientInputClosed);
    scene.on(ServerEnded(0));
    assert_eq!(scene.until_action(), (5_000, vec![Reap, SignalGroup(Signal::TERM)]));
    scene.facts.group_is_alive = false;
    assert_eq!(scene.until_action(), (10_000, vec![Finish(0)]));
}

#[test]
fn a_flooding_grandchild_is_ended_once_the_client_has_left() {
    let mut scene = Scene::new();
    scene.on(ClientInputClosed);
    scene.on(ServerEnded(0));
    for _ in 0..9 {
        scene.facts.to_client += 1;
        assert_eq!(scene.next().1, []);
    }
    scene.facts.to_client += 1;
    assert_eq!(scene.next(), (5_000, vec![Reap, SignalGroup(Signal::TERM)]));
}

#[test]
fn signals_while_draining_shorten_it() {
    let mut scene = Scene::new();
    scene.facts.client_is_slow = true;
    scene.on(ServerEnded(0));
    assert_eq!(scene.on(Event::Signal(Signal::TERM)), [SignalGroup(Signal::TERM)]);
    assert_eq!(scene.until_action(), (1_500, vec![Reap, SignalGroup(Signal::TERM)]));
}

#[test]
fn a_signal_repeated_while_draining_ends_it_at_once() {
    let mut scene = Scene::new();
    scene.facts.client_is_slow = true;
    scene.on(ServerEnded(0));
    scene.on(Event::Signal(Signal::TERM));
    assert_eq!(scene.on(Event::Signal(Signal::TERM)), [SignalGroup(Signal::KILL)]);
    assert_eq!(scene.next(), (0, vec![Reap, SignalGroup(Signal::TERM)]));
}

#[test]
fn a_swept_group_is_never_signalled_again() {
    let mut scene = Scene::new();
    scene.on(ServerEnded(0));
    scene.facts.group_is_alive = false;
    scene.next();
    scene.next();
    assert_eq!(scene.on(Event::Signal(Signal::TERM)), []);
    assert_eq!(scene.until_action().1, [Finish(0)]);
}
