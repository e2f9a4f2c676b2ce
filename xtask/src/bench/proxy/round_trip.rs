//! Added round trip: a 450 byte `tools/call`, its 450 byte answer, one call at a time.
//! Back to back it shows the work on the path; paced it also shows what waking a sleeping process costs.

use std::time::Duration;

use super::{Bench, Route, Server, rounds};
use crate::{
    Failure,
    bench::{
        report::{Limit, Report, Table, number},
        server::Serving,
        session::Session,
        statistics::{Percentiles, median, paired},
    },
};

const FRAME: usize = 450;
const WARM_UP: usize = 200;
const ROUTES: [Route; 5] = [Route::Direct, Route::Relay, Route::Silent, Route::Logs, Route::Tracing];

/// Measures both paces.
pub(super) fn measure(bench: &Bench<'_>, report: &mut Report) -> Result<(), Failure> {
    let options = bench.options;
    let paces = [
        ("back to back", Duration::ZERO, options.rounds(15, 3), options.pick(3_000, 1_000)),
        ("one every 2 ms", Duration::from_millis(2), options.rounds(9, 2), options.pick(500, 200)),
    ];
    for (pace, pause, count, calls) in paces {
        let measured = rounds(bench, count, &ROUTES, |route| {
            let mut session = Session::open(bench.command(route, Server::Own(Serving::Parse(FRAME))))?;
            session.round_trips(WARM_UP, FRAME, Duration::ZERO)?;
            let samples = session.round_trips(calls, FRAME, pause)?;
            session.close()?;
            Ok(Percentiles::of(samples))
        })?;
        let caption = format!(
            "Round trip in µs, {pace}: {FRAME} byte `tools/call`, {FRAME} byte answer; medians of {count} rounds of {calls} calls"
        );
        let header = ["route", "p50", "p90", "p99", "added p50", "added p90", "added p99"];
        let mut table = Table::new(caption, header);
        let pick: [fn(&Percentiles) -> f64; 3] = [|of| of.p50, |of| of.p90, |of| of.p99];
        let column =
            |rounds: &[Percentiles], pick: fn(&Percentiles) -> f64| rounds.iter().map(pick).collect::<Vec<_>>();
        let direct = measured.first().map(|(_, rounds)| rounds.clone()).unwrap_or_default();
        for (route, percentiles) in &measured {
            let own = pick.map(|pick| median(&column(percentiles, pick)));
            let added =
                pick.map(|pick| paired(&column(percentiles, pick), &column(&direct, pick), |of, beside| of - beside));
            let shown = |value: f64| if *route == Route::Direct { String::new() } else { number(value) };
            table.row([
                route.to_string(),
                number(own[0]),
                number(own[1]),
                number(own[2]),
                shown(added[0]),
                shown(added[1]),
                shown(added[2]),
            ]);
            let name = |what: &str| format!("{}: {what} ({pace})", route.key());
            report.figure(name("round trip p50"), own[0], "µs");
            report.figure(name("round trip p99"), own[2], "µs");
            if route.is_proxied() {
                report.limited(name("added p50"), added[0], "µs", Limit::AtMost(50.0));
                report.limited(name("added p99"), added[2], "µs", Limit::AtMost(500.0));
            }
        }
        report.table(table);
    }
    Ok(())
}
