//! Spans across `await`: whoever polls, on whatever thread, with other futures in between.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    thread,
};

use watchpost::ai::Tracer;

use super::{ended, tracer, tree};

/// Lets others run once.
#[derive(Default)]
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

async fn work(tracer: Tracer, name: &'static str) -> &'static str {
    drop(tracer.generic(format!("{name} before")));
    Yield::default().await;
    drop(tracer.generic(format!("{name} after")));
    name
}

#[test]
fn interleaved_futures_keep_their_spans() {
    let (tracer, events) = tracer();
    let (one, two) = (tracer.generic("one"), tracer.generic("two"));
    let mut first = pin!(one.instrument(work(tracer.clone(), "1")));
    let mut second = pin!(two.instrument(work(tracer.clone(), "2")));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    drop(tracer.generic("between"));
    assert_eq!((poll(second.as_mut()), poll(first.as_mut())), (Poll::Ready("2"), Poll::Ready("1")));
    drop((one, two));
    let spans = ended(&events);
    let expected = [
        ("1 before", Some("one")),
        ("2 before", Some("two")),
        ("between", None),
        ("2 after", Some("two")),
        ("1 after", Some("one")),
        ("one", None),
        ("two", None),
    ];
    assert_eq!(tree(&spans), expected);
}

#[test]
fn a_future_may_go_on_with_another_thread() {
    let (tracer, events) = tracer();
    let inner = tracer.clone();
    let mut future = Box::pin(async move {
        let agent = inner.agent_run("a");
        agent.instrument(work(inner.clone(), "1")).await
    });
    assert!(poll(future.as_mut()).is_pending());
    thread::spawn(move || assert!(poll(future.as_mut()).is_ready())).join().unwrap();
    let agent = Some("agent run: 'a'");
    assert_eq!(tree(&ended(&events)), [("1 before", agent), ("1 after", agent), ("agent run: 'a'", None)]);
}

#[test]
fn a_cancelled_future_ends_its_spans_without_a_failure() {
    let (tracer, events) = tracer();
    let inner = tracer.clone();
    let agent = tracer.agent_run("a");
    let mut future = Box::pin(agent.instrument(async move {
        let _tool = inner.tool_call("t");
        Yield::default().await;
    }));
    assert!(poll(future.as_mut()).is_pending());
    drop(future);
    agent.end();
    let spans = ended(&events);
    assert_eq!(tree(&spans), [("tool: 't'", Some("agent run: 'a'")), ("agent run: 'a'", None)]);
    assert!(spans.iter().all(|span| span.error.is_none()));
}

#[test]
fn what_a_cancelled_future_drops_is_in_its_span() {
    struct OnDrop(Tracer);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            drop(self.0.generic("clean up"));
        }
    }
    let (tracer, events) = tracer();
    let agent = tracer.agent_run("a");
    let on_drop = OnDrop(tracer.clone());
    drop(agent.instrument(async move {
        let _on_drop = on_drop;
    }));
    agent.end();
    assert_eq!(tree(&ended(&events))[0], ("clean up", Some("agent run: 'a'")));
}

#[test]
fn a_panic_in_a_future_fails_its_span_and_leaves_it() {
    let (tracer, events) = tracer();
    let agent = tracer.agent_run("a");
    let mut future = Box::pin(agent.instrument(async { panic!("boom") }));
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(future.as_mut())));
    assert!(caught.is_err());
    drop(tracer.generic("alone"));
    drop((future, agent));
    let spans = ended(&events);
    assert_eq!(spans[0].parent_span_id, None, "the span was left");
    assert_eq!(spans[1].error.as_ref().unwrap().message, "boom");
}
