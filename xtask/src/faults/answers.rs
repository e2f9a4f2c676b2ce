//! A sink that does what sinks do when they are not well, against a delivery in this process: without a spool and with one.

use std::{
    net::SocketAddr,
    path::Path,
    thread,
    time::{Duration, Instant, SystemTime},
};

use watchpost_sentry::delivery::{Delivery, SpoolMode};

use super::{
    Finding,
    account::Account,
    items,
    sender::{self, PATIENCE},
    sink::{self, Reply, Sink},
};
use crate::Failure;

/// Handed over while the sink is not well, in two parts with a flush after each,
const UNWELL: [u64; 2] = [400, 700];
/// and afterwards up to here.
const WELL: u64 = 900;
/// How long a flush waits while the sink is not well.
const FLUSH: Duration = Duration::from_millis(700);
/// A limit that ends while we look on.
const SOON: &str = "1";

/// What is wrong with the sink.
#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) name: &'static str,
    fault: Fault,
    /// Why items may be dropped, and must be: without a spool, and with one.
    drops: &'static [&'static str],
    drops_with_spool: &'static [&'static str],
    /// The limit lasts longer than we wait: with a spool the next process sends what is left.
    outlasts: bool,
}

#[derive(Clone, Copy)]
enum Fault {
    /// Nobody listens.
    Absent,
    /// Requests get this.
    Some(fn(&sink::Request) -> Reply),
    /// Every request gets 429 with these headers.
    Limited(fn() -> Vec<String>),
    /// The connection is closed while the body is written.
    CutBodies,
}

const REFUSED: &[&str] = &["send_error"];
const LIMITED: &[&str] = &["rate_limited", "ratelimit_backoff"];

const fn case(name: &'static str, fault: Fault) -> Case {
    Case { name, fault, drops: &[], drops_with_spool: &[], outlasts: false }
}

const fn refusing(name: &'static str, fault: Fault) -> Case {
    Case { drops: REFUSED, drops_with_spool: REFUSED, ..case(name, fault) }
}

const fn limiting(name: &'static str, headers: fn() -> Vec<String>) -> Case {
    Case { drops: LIMITED, ..case(name, Fault::Limited(headers)) }
}

/// Every case.
pub(super) static CASES: &[Case] = &[
    case("nobody listens", Fault::Absent),
    case("hangs", Fault::Some(|_| Reply::Hang)),
    case("answers after 100 ms", Fault::Some(|_| Reply::Slow(Duration::from_millis(100)))),
    case("500", Fault::Some(|_| Reply::Status(500, Vec::new()))),
    case("503, now and then", Fault::Some(|request| well_unless(request.number % 3 == 1, 503))),
    case("408", Fault::Some(|_| Reply::Status(408, Vec::new()))),
    case("closes while the body is written", Fault::CutBodies),
    case("closes without an answer", Fault::Some(|_| Reply::Close)),
    case("closes amid the answer", Fault::Some(|_| Reply::HalfAnswer)),
    case("sends garbage", Fault::Some(|_| Reply::Garbage)),
    case("413 for more than 50 items", Fault::Some(|request| well_unless(request.items > 50, 413))),
    refusing("413 for everything", Fault::Some(|_| Reply::Status(413, Vec::new()))),
    refusing("403", Fault::Some(|_| Reply::Status(403, Vec::new()))),
    refusing("400, now and then", Fault::Some(|request| well_unless(request.number % 3 == 1, 400))),
    limiting("429, one category", || vec![limits(&format!("{SOON}:log_item:organization"))]),
    limiting("429, several categories", || {
        vec![limits(&format!("{SOON}:log_item;transaction:key, {SOON}:error;span:key"))]
    }),
    limiting("429, all categories", || vec![limits(&format!("{SOON}::organization"))]),
    limiting("429, Retry-After in seconds", || vec![format!("retry-after: {SOON}")]),
    limiting("429, Retry-After as a date", || {
        vec![format!("retry-after: {}", httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2)))]
    }),
    Case { outlasts: true, ..limiting("429, bare (60 s)", Vec::new) },
    Case {
        outlasts: true,
        ..limiting("429, garbage for headers (60 s)", || vec![limits("soon"), "retry-after: later".to_owned()])
    },
    refusing(
        "everything in turn",
        Fault::Some(|request| match request.number % 9 {
            1 => Reply::Status(500, Vec::new()),
            2 => Reply::Close,
            4 => Reply::Status(413, Vec::new()),
            5 => Reply::Garbage,
            7 => Reply::Status(400, Vec::new()),
            8 => Reply::HalfAnswer,
            _ => Reply::Ok,
        }),
    ),
];

fn well_unless(fails: bool, status: u16) -> Reply {
    if fails { Reply::Status(status, Vec::new()) } else { Reply::Ok }
}

fn limits(limits: &str) -> String {
    format!("x-sentry-rate-limits: {limits}")
}

/// Runs a case; `spool` is a folder, if there is to be one.
pub(super) fn run(case: &Case, spool: Option<&Path>) -> Result<Finding, Failure> {
    let mut sink = Some(Sink::start(|_| Reply::Ok)?);
    let mut address = None;
    match (&case.fault, &sink) {
        (Fault::Some(script), Some(sink)) => sink.set(*script),
        (Fault::Limited(headers), Some(sink)) => {
            let headers = *headers;
            sink.set(move |_| Reply::Status(429, headers()));
        }
        (Fault::CutBodies, Some(sink)) => sink.cut_bodies(true),
        (Fault::Absent, _) => {
            sink = None;
            address = Some(Sink::nowhere()?);
        }
        (_, None) => {}
    }
    let dsn = match (&sink, address) {
        (Some(sink), _) => sink.dsn(),
        (None, Some(address)) => sink::dsn(address),
        (None, None) => return Err("no address".into()),
    };
    let delivery = Delivery::start(sender::config(&dsn, spool.map(|folder| (folder, SpoolMode::Fast)))?)?;
    let mut from = 0;
    let mut wrong = Vec::new();
    for to in UNWELL {
        (from..to).for_each(|number| items::hand_over(&delivery, number));
        from = to;
        let account = Account::from(&delivery.flush(FLUSH));
        if let Some(sink) = &sink {
            // What is on its way could be counted on one side only, so only what is settled is compared.
            let (arrived, dropped) = (sink.arrivals().received_all(), account.dropped());
            if arrived + account.held() + dropped < account.accepted() {
                wrong.push(format!(
                    "unwell: {} accepted, {arrived} arrived, {} held, {dropped} dropped",
                    account.accepted(),
                    account.held()
                ));
            }
        }
    }
    let sink = well_again(sink, address)?;
    (from..WELL).for_each(|number| items::hand_over(&delivery, number));
    let outlasts = case.outlasts && spool.is_some();
    let account = Account::from(&delivery.flush(if outlasts { FLUSH } else { PATIENCE }));
    let account = if outlasts { Account::from(&delivery.shutdown(FLUSH)) } else { account };
    account.check(0..WELL, &sink.arrivals(), &mut wrong);
    if !case.outlasts {
        wrong.extend(unreported(&delivery, &sink));
    }
    drop(delivery);
    if account.held() > 0 {
        match spool {
            Some(folder) if outlasts => hand_on(&sink, folder, &account, &mut wrong)?,
            _ => wrong.push(format!("{} are held although the sink is well again", account.held())),
        }
    } else if outlasts {
        wrong.push("nothing is held, although the limit lasts".to_owned());
    }
    let allowed = if spool.is_some() { case.drops_with_spool } else { case.drops };
    for reason in account.reasons().keys().filter(|reason| !allowed.contains(&reason.as_str())) {
        wrong.push(format!("items were dropped as {reason}"));
    }
    if !allowed.is_empty() && account.dropped() == 0 {
        wrong.push("nothing was dropped: the fault did not happen".to_owned());
    }
    let arrivals = sink.arrivals();
    Ok(Finding {
        check: case.name.to_owned(),
        mode: if spool.is_some() { "fast" } else { "off" },
        handed: WELL,
        received: arrivals.received_all(),
        held: 0,
        dropped: account.reasons(),
        repeated: arrivals.repeated(),
        note: if account.held() > 0 { format!("{} by the next process", account.held()) } else { String::new() },
        wrong,
    })
}

/// What Sentry is not told of the drops, once the limit on everything, reports included, is over.
fn unreported(delivery: &Delivery, sink: &Sink) -> Vec<String> {
    let end = Instant::now() + PATIENCE;
    loop {
        let mut wrong = Vec::new();
        Account::from(&delivery.flush(PATIENCE)).check_reports(&sink.arrivals(), &mut wrong);
        if wrong.is_empty() || Instant::now() > end {
            return wrong;
        }
        thread::sleep(FLUSH);
    }
}

fn well_again(sink: Option<Sink>, address: Option<SocketAddr>) -> Result<Sink, Failure> {
    match (sink, address) {
        (Some(sink), _) => {
            sink.heal();
            Ok(sink)
        }
        (None, Some(address)) => Sink::start_at(address, true),
        (None, None) => Err("no sink".into()),
    }
}

/// The next process takes over what the first could not send.
fn hand_on(sink: &Sink, folder: &Path, first: &Account, wrong: &mut Vec<String>) -> Result<(), Failure> {
    let next = Delivery::start(sender::config(&sink.dsn(), Some((folder, SpoolMode::Fast)))?)?;
    next.sync(PATIENCE);
    let second = Account::from(&next.flush(PATIENCE));
    let arrivals = sink.arrivals();
    if second.recovered != first.held() {
        wrong.push(format!("{} held, but {} taken over", first.held(), second.recovered));
    }
    if second.held() + second.dropped() > 0 || arrivals.received_all() + first.dropped() != first.accepted() {
        wrong.push(format!("after the next process {} of {} are there", arrivals.received_all(), first.accepted()));
    }
    if arrivals.repeated() > 0 {
        wrong.push(format!("{} came twice", arrivals.repeated()));
    }
    Ok(())
}
