//! Start to first byte: from before the spawn until the first byte of what the server says unasked.

use std::time::Instant;

use super::{Bench, Route, Server, rounds};
use crate::{
    Failure,
    bench::{
        report::{Limit, Report, Table, number},
        server::Serving,
        session::Session,
        statistics::{median, paired},
    },
};

const ROUTES: [Route; 4] = [Route::Direct, Route::Relay, Route::Silent, Route::Logs];

/// Measures the start.
pub(super) fn measure(bench: &Bench<'_>, report: &mut Report) -> Result<(), Failure> {
    let count = bench.options.rounds(40, 10);
    let measured = rounds(bench, count, &ROUTES, |route| {
        let command = bench.command(route, Server::Own(Serving::Greet));
        let start = Instant::now();
        let mut session = Session::start(command)?;
        session.first_byte()?;
        let took = start.elapsed().as_secs_f64() * 1_000.0;
        session.close()?;
        Ok(took)
    })?;
    let mut table = Table::new(
        format!("Start to first byte in ms; medians of {count} rounds"),
        ["route", "start", "worst", "added"],
    );
    let direct = measured.first().map(|(_, values)| values.clone()).unwrap_or_default();
    for (route, values) in &measured {
        let added = paired(values, &direct, |of, beside| of - beside);
        table.row([
            route.to_string(),
            number(median(values)),
            number(values.iter().copied().fold(0.0, f64::max)),
            if *route == Route::Direct { String::new() } else { number(added) },
        ]);
        report.figure(format!("{}: start to first byte", route.key()), median(values), "ms");
        if route.is_proxied() {
            report.limited(format!("{}: added start", route.key()), added, "ms", Limit::AtMost(15.0));
        }
    }
    report.table(table);
    Ok(())
}
