//! An hour without Sentry at 1000 items a second, its 3.6 million items handed over as fast as the disk takes them: what it costs
//! in memory and on disk, and whether everything is there afterwards.

use std::net::{Ipv4Addr, TcpListener};

use super::{Folder, worker::WorkerRun};
use crate::{
    Failure,
    bench::{
        options::Options,
        report::{Limit, Report, Table, number},
        sink::SinkProcess,
    },
};

/// What is handed over in an hour.
const HOUR: u64 = 3_600_000;

pub(super) fn run(options: &Options, folder: &Folder, report: &mut Report) -> Result<(), Failure> {
    let count = options.pick(HOUR, HOUR / 20);
    // Free a moment ago, and nobody listens.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let dsn = format!("http://0123456789abcdef0123456789abcdef@127.0.0.1:{port}/1");
    let waiting = WorkerRun::begin_outage(&dsn, count, &folder.0)?;
    let outage = waiting.so_far.clone();
    let sink = SinkProcess::start_at(port)?;
    let after = waiting.end_outage()?;
    let arrived = sink.stats()?.logs;
    let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    let mut table = Table::new(
        format!("{count} logs while nobody listens, then a flush to a sink that is back"),
        ["moment", "held", "seconds", "CPU each, µs", "spool, MiB", "peak resident, MiB", "arrived", "dropped"],
    );
    table.row([
        "the outage ends".to_owned(),
        number(outage.held as f64),
        number(outage.wall),
        number(outage.cpu * 1e6 / count as f64),
        number(mib(outage.spool_bytes)),
        number(outage.peak),
        "0".to_owned(),
        number(outage.dropped as f64),
    ]);
    table.row([
        "all is delivered".to_owned(),
        number(after.held as f64),
        number(after.wall - outage.wall),
        number((after.cpu - outage.cpu) * 1e6 / count as f64),
        number(mib(after.spool_left)),
        number(after.peak),
        number(arrived as f64),
        number(after.dropped as f64),
    ]);
    report.table(table);
    report.limited("outage: peak resident", after.peak, "MiB", Limit::AtMost(64.0));
    report.limited("outage: grown since its first tenth", after.peak - outage.early, "MiB", Limit::AtMost(16.0));
    report.limited(
        "outage: not delivered afterwards",
        (count - arrived.min(count)) as f64,
        "items",
        Limit::AtMost(0.0),
    );
    report.limited("outage: arrived twice", arrived.saturating_sub(count) as f64, "items", Limit::AtMost(0.0));
    report.limited("outage: left in the spool", after.spool_left as f64, "bytes", Limit::AtMost(0.0));
    Ok(())
}
