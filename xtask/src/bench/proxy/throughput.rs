//! Pipelined throughput: 1 KiB calls and answers with 64 unanswered, writing and reading on threads of their own.
//! Two extremes (a server that only parses and answers, one that does not even parse) and two real servers.

use super::{Bench, Route, Server, rounds};
use crate::{
    Failure,
    bench::{
        process::{Memory, threads_cpu_nanos},
        report::{Limit, Report, Table, number, percent},
        server::Serving,
        session::Session,
        sink::SinkProcess,
        statistics::{median, paired},
    },
};

const FRAME: usize = 1024;
const IN_FLIGHT: u64 = 64;
const ROUTES: [Route; 5] = [Route::Direct, Route::Relay, Route::Silent, Route::Logs, Route::Tracing];

/// Measures both servers.
pub(super) fn measure(bench: &Bench<'_>, sink: &SinkProcess, report: &mut Report) -> Result<(), Failure> {
    let options = bench.options;
    let count = options.rounds(11, 3);
    let servers = [
        ("parsing server", Server::Own(Serving::Parse(FRAME)), options.pick(100_000, 20_000)),
        ("bare server", Server::Own(Serving::Bare(FRAME)), options.pick(200_000, 40_000)),
        ("rmcp server", Server::Rmcp, options.pick(30_000, 5_000)),
        ("node server", Server::Node, options.pick(10_000, 2_000)),
    ];
    for (name, server, frames) in servers {
        if !bench.programs.have(server) || !options.wants(&format!("throughput {name}")) {
            continue;
        }
        let warm_up = frames / 10;
        let measured = rounds(bench, count, &ROUTES, |route| {
            let before = sink.stats()?.logs;
            let mut session = Session::open(bench.command(route, server))?;
            session.pipeline(warm_up, FRAME, IN_FLIGHT)?;
            let cpu = threads_cpu_nanos(session.pid())?;
            let took = session.pipeline(frames, FRAME, IN_FLIGHT)?;
            let cpu = threads_cpu_nanos(session.pid())? - cpu;
            let peak = Memory::of(session.pid())?.peak;
            session.close()?;
            // The connection's `initialize` and the warm-up are events too.
            let events = 1 + warm_up + frames;
            Ok(Round {
                rate: frames as f64 / took.as_secs_f64(),
                cpu: cpu as f64 / 1_000.0 / frames as f64,
                observed: (sink.stats()?.logs - before) as f64 / events as f64,
                peak,
            })
        })?;
        let caption = format!(
            "Pipelined throughput, {name}: {FRAME} byte calls and answers, {IN_FLIGHT} unanswered; medians of {count} rounds of \
             {frames} calls"
        );
        let mut table = Table::new(
            caption,
            [
                "route",
                "calls/s",
                "of direct",
                "of the relay",
                "CPU per call, µs",
                "peak resident, MiB",
                "calls that reached the sink",
            ],
        );
        let rates = |rounds: &[Round]| rounds.iter().map(|round| round.rate).collect::<Vec<_>>();
        let of = |wanted: Route| {
            measured.iter().find(|(route, _)| *route == wanted).map(|(_, rounds)| rates(rounds)).unwrap_or_default()
        };
        let (direct, relay) = (of(Route::Direct), of(Route::Relay));
        for (route, values) in &measured {
            let own = rates(values);
            let of_direct = paired(&own, &direct, |of, beside| of / beside);
            let of_relay = paired(&own, &relay, |of, beside| of / beside);
            let of_rounds = |pick: fn(&Round) -> f64| median(&values.iter().map(pick).collect::<Vec<_>>());
            let (cpu, peak, observed) =
                (of_rounds(|round| round.cpu), of_rounds(|round| round.peak), of_rounds(|round| round.observed));
            let shown = |value: f64| if route.is_proxied() { number(value) } else { String::new() };
            table.row([
                route.to_string(),
                number(median(&own)),
                percent(of_direct),
                percent(of_relay),
                shown(cpu),
                shown(peak),
                if matches!(route, Route::Logs | Route::Tracing) { percent(observed) } else { String::new() },
            ]);
            let figure = |what: &str| format!("{}: {what} ({name})", route.key());
            report.figure(figure("throughput"), median(&own), "calls/s");
            match route {
                Route::Silent | Route::Logs if server == Server::Own(Serving::Parse(FRAME)) => {
                    report.limited(figure("throughput of direct"), of_direct * 100.0, "%", Limit::AtLeast(70.0));
                }
                _ => report.figure(figure("throughput of direct"), of_direct * 100.0, "%"),
            }
            if route.is_proxied() {
                report.figure(figure("CPU per call"), cpu, "µs");
                report.figure(figure("peak resident"), peak, "MiB");
            }
        }
        report.table(table);
    }
    Ok(())
}

/// One measurement.
#[derive(Debug)]
struct Round {
    /// Calls per second.
    rate: f64,
    /// CPU time of the process started, in µs per call, until the last answer.
    cpu: f64,
    /// Its peak resident set in MiB.
    peak: f64,
    /// The share of the calls whose log reached the sink.
    observed: f64,
}
