//! `cargo xtask bench proxy`: what `watchpost mcp` costs beside a direct pipe, in the same run.
//! Routes alternate within each round and each measurement starts fresh processes, so that nothing of one is left in the next.

mod footprint;
mod round_trip;
mod route;
mod start;
mod throughput;

use self::route::{Programs, Route, Server};
use super::{options::Options, report::Report, sink::SinkProcess};
use crate::Failure;

/// Measures and prints.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let sink = SinkProcess::start(false)?;
    let programs = Programs::find(options)?;
    let mut report = Report::new("proxy", options.quick);
    let bench = Bench { options, programs, dsn: sink.dsn() };
    if options.wants("round trip") {
        round_trip::measure(&bench, &mut report)?;
    }
    if options.wants("throughput") {
        throughput::measure(&bench, &sink, &mut report)?;
    }
    if options.wants("footprint") {
        footprint::measure(&bench, &mut report)?;
    }
    if options.wants("start") {
        start::measure(&bench, &mut report)?;
    }
    report.print(options.json);
    Ok(())
}

/// What each measurement needs.
#[derive(Debug)]
struct Bench<'a> {
    options: &'a Options,
    programs: Programs,
    dsn: String,
}

impl Bench<'_> {
    /// The routes in the order of `round`, so that no route is always the one after the same other.
    fn routes(&self, round: usize, routes: &[Route]) -> Vec<Route> {
        let mut routes = routes.to_vec();
        let shift = round % routes.len();
        routes.rotate_left(shift);
        routes
    }
}

/// Runs `measure` for each route in each round after one round to warm up; the values by route and round.
fn rounds<T>(
    bench: &Bench<'_>,
    count: usize,
    routes: &[Route],
    mut measure: impl FnMut(Route) -> Result<T, Failure>,
) -> Result<Vec<(Route, Vec<T>)>, Failure> {
    let mut by_route: Vec<(Route, Vec<T>)> = routes.iter().map(|&route| (route, Vec::with_capacity(count))).collect();
    for round in 0..=count {
        for route in bench.routes(round, routes) {
            let value = measure(route).map_err(|error| format!("{route}: {error}"))?;
            if round > 0
                && let Some((_, values)) = by_route.iter_mut().find(|(of, _)| *of == route)
            {
                values.push(value);
            }
        }
    }
    Ok(by_route)
}
