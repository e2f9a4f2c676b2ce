//! The proxy's memory, idle after 1000 calls and while 100 MB frames pass, and its CPU time per call.
//! Memory is the whole resident set, file pages of the binary included, as the kernel counts it.

use std::time::Duration;

use super::{Bench, Route, Server, rounds};
use crate::{
    Failure,
    bench::{
        process::{Memory, threads_cpu_nanos},
        report::{Limit, Report, Table, number},
        server::Serving,
        session::Session,
        statistics::{median, paired},
    },
};

const CALLS: usize = 1_000;
const FRAME: usize = 450;
const LARGE: usize = 100_000_000;
/// Longer than logs are held back for a batch (5 s): memory that is only held until then is not counted as idle.
const SETTLE: Duration = Duration::from_secs(6);

/// Measures memory and CPU.
pub(super) fn measure(bench: &Bench<'_>, report: &mut Report) -> Result<(), Failure> {
    calls(bench, report)?;
    large_frames(bench, report)
}

fn calls(bench: &Bench<'_>, report: &mut Report) -> Result<(), Failure> {
    let count = bench.options.rounds(3, 1);
    let settle = bench.options.pick(SETTLE, Duration::from_millis(500));
    let measured = rounds(bench, count, &[Route::Silent, Route::Logs, Route::Tracing], |route| {
        let mut session = Session::open(bench.command(route, Server::Own(Serving::Parse(FRAME))))?;
        let before = threads_cpu_nanos(session.pid())?;
        session.round_trips(CALLS, FRAME, Duration::from_micros(500))?;
        std::thread::sleep(settle);
        let cpu = (threads_cpu_nanos(session.pid())? - before) as f64 / 1_000.0 / CALLS as f64;
        let memory = Memory::of(session.pid())?;
        session.close()?;
        Ok((memory, cpu))
    })?;
    let caption = format!("The proxy after {CALLS} calls of {FRAME} bytes, idle; medians of {count} rounds");
    let mut table =
        Table::new(caption, ["route", "resident, MiB", "of it anonymous", "peak resident, MiB", "CPU per call, µs"]);
    for (route, values) in &measured {
        let of = |pick: fn(&(Memory, f64)) -> f64| median(&values.iter().map(pick).collect::<Vec<_>>());
        let resident = of(|(memory, _)| memory.resident);
        let cpu = of(|(_, cpu)| *cpu);
        table.row([
            route.to_string(),
            number(resident),
            number(of(|(memory, _)| memory.anonymous)),
            number(of(|(memory, _)| memory.peak)),
            number(cpu),
        ]);
        report.limited(format!("{}: resident, idle", route.key()), resident, "MiB", Limit::AtMost(12.0));
        report.figure(format!("{}: CPU per call (paced)", route.key()), cpu, "µs");
    }
    report.table(table);
    Ok(())
}

fn large_frames(bench: &Bench<'_>, report: &mut Report) -> Result<(), Failure> {
    let count = bench.options.rounds(5, 1);
    let routes = [Route::Direct, Route::Relay, Route::Silent, Route::Logs];
    let measured = rounds(bench, count, &routes, |route| {
        let mut session = Session::open(bench.command(route, Server::Own(Serving::Large)))?;
        let sent = session.send_large(LARGE)?.as_secs_f64();
        let peak_of_request = Memory::of(session.pid())?.peak;
        let received = session.receive_large(LARGE)?.as_secs_f64();
        let peak = Memory::of(session.pid())?.peak;
        session.close()?;
        Ok([peak_of_request, peak, sent, received])
    })?;
    let caption =
        format!("A frame of {} MB passes, as a request and as an answer; medians of {count} rounds", LARGE / 1_000_000);
    let header = [
        "route",
        "peak resident after the request, MiB",
        "after the answer",
        "request, MB/s",
        "answer, MB/s",
        "of direct",
    ];
    let mut table = Table::new(caption, header);
    let column = |values: &[[f64; 4]], at: usize| values.iter().map(|value| value[at]).collect::<Vec<_>>();
    let direct = measured.first().map(|(_, values)| values.clone()).unwrap_or_default();
    for (route, values) in &measured {
        let speed = |at| LARGE as f64 / 1e6 / median(&column(values, at));
        let of_direct = |at| paired(&column(values, at), &column(&direct, at), |of, beside| beside / of);
        let peaks = [0, 1].map(|at| median(&column(values, at)));
        let shown = |value: f64| if route.is_proxied() { number(value) } else { String::new() };
        table.row([
            route.to_string(),
            shown(peaks[0]),
            shown(peaks[1]),
            number(speed(2)),
            number(speed(3)),
            format!("{:.0} %, {:.0} %", of_direct(2) * 100.0, of_direct(3) * 100.0),
        ]);
        if route.is_proxied() {
            report.limited(
                format!("{}: peak resident, 100 MB frame", route.key()),
                peaks[1],
                "MiB",
                Limit::AtMost(40.0),
            );
        }
    }
    report.table(table);
    Ok(())
}
