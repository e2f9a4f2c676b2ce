//! Rate limits, by every form in which a server can ask for one.

use watchpost_sentry::{
    delivery::{DropReason, Outcome},
    wire::Category,
};

use crate::{
    items::{LONG, error, log, start, transaction},
    sink::{OK, Received, Reply, Sink},
};

/// Sends an error event that is answered like this, then one item of each kind; the outcome, and what came after.
fn answered_with(status: u16, headers: &'static [&'static str]) -> (Outcome, Vec<Received>) {
    let sink = Sink::start(move |request| if request.number == 0 { Reply::Answer(status, headers, "{}") } else { OK });
    let delivery = start(&sink.dsn());
    delivery.error(&error(0), None);
    assert!(delivery.flush(LONG).complete);
    delivery.error(&error(1), None);
    delivery.transaction(&transaction(1), None);
    delivery.log(&log(1));
    let outcome = delivery.flush(LONG);
    assert!(outcome.complete);
    (outcome, sink.received().split_off(1))
}

/// The categories of which the second item was dropped.
fn limited(outcome: &Outcome) -> Vec<Category> {
    let backed_off = |category: &Category| outcome.tally(*category).dropped_by(DropReason::RatelimitBackoff) > 0;
    [Category::Error, Category::Transaction, Category::LogItem].into_iter().filter(backed_off).collect()
}

#[test]
fn a_429_stops_everything_whether_it_says_how_long_or_not() {
    for headers in [
        &[][..],
        &["retry-after: 60"],
        &["retry-after: Fri, 31 Dec 9999 23:59:59 GMT"],
        &["retry-after: later"],
        &["x-sentry-rate-limits: 60::organization"],
        &["x-sentry-rate-limits: garbage"],
    ] {
        let (outcome, after) = answered_with(429, headers);
        assert_eq!(limited(&outcome), [Category::Error, Category::Transaction, Category::LogItem], "{headers:?}");
        assert_eq!(outcome.dropped_by(DropReason::RateLimited), 1, "{headers:?}");
        assert!(after.is_empty(), "{headers:?}");
    }
}

#[test]
fn a_limit_on_some_categories_lets_the_others_pass_and_is_reported() {
    for (headers, expected) in [
        (&["x-sentry-rate-limits: 60:error:key"][..], &[Category::Error][..]),
        (&["x-sentry-rate-limits: 60:transaction;log_item:key:quota:"], &[Category::Transaction, Category::LogItem]),
        (&["x-sentry-rate-limits: 60:span:key"], &[Category::Transaction]),
        (&["x-sentry-rate-limits: 60:log_byte:key"], &[Category::LogItem]),
        (
            &["x-sentry-rate-limits: 60:error:key", "x-sentry-rate-limits: 60:log_item:key"],
            &[Category::Error, Category::LogItem],
        ),
    ] {
        let (outcome, after) = answered_with(200, headers);
        assert_eq!(limited(&outcome), expected, "{headers:?}");
        assert_eq!(outcome.sent(), 4 - expected.len() as u64, "{headers:?}");
        let reported: Vec<_> = after.iter().flat_map(Received::reported).collect();
        for category in expected {
            let entry = ("ratelimit_backoff".to_owned(), category.to_string(), 1);
            assert!(reported.contains(&entry), "{headers:?}: {reported:?}");
        }
    }
}

#[test]
fn a_limit_on_categories_that_we_do_not_know_stops_nothing() {
    let (outcome, after) = answered_with(200, &["x-sentry-rate-limits: 60:attachment;replay:organization"]);
    assert!(limited(&outcome).is_empty());
    assert_eq!((outcome.sent(), after.len()), (4, 3));
}

#[test]
fn a_short_limit_ends_by_itself() {
    let limits = &["x-sentry-rate-limits: 0.3:error:key"];
    let sink = Sink::start(|request| if request.number == 0 { Reply::Answer(200, limits, "") } else { OK });
    let delivery = start(&sink.dsn());
    let mut number = 0;
    while sink.received().len() < 2 {
        delivery.error(&error(number), None);
        assert!(delivery.flush(LONG).complete);
        number += 1;
    }
    let outcome = delivery.outcome();
    assert_eq!(outcome.sent() + outcome.dropped_by(DropReason::RatelimitBackoff), number);
}
