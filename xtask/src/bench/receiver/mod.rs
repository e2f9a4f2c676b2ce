//! `cargo xtask bench receiver`: envelopes a second until they are stored, each page's answer with a million events stored,
//! memory, and the time until a start is ready. The receiver and what sends share the machine.

mod load;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use self::load::{Load, Times};
use super::{
    options::{Options, target_folder},
    process::{Memory, cpu_seconds, forget_settings, own_cpu_seconds},
    report::{Limit, Report, Table, number},
    statistics::median,
};
use crate::Failure;

/// Events in each envelope while the database is filled: as a busy sender batches them.
const BATCHED: u64 = 50;
/// Events that are written and then sent at once while the database is filled.
const FILLED: u64 = 50_000;
/// How long the receiver may be silent.
const SILENCE: Duration = Duration::from_secs(300);

/// Measures and prints.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let watchpost = options.watchpost()?;
    let folder = Folder::new()?;
    let mut report = Report::new("receiver", options.quick);
    let starts = options.rounds(15, 5);
    if options.wants("start") {
        let times = (0..starts)
            .map(|round| Ok(View::start(&watchpost, &folder.file(&format!("start{round}.db")))?.took))
            .collect::<Result<Vec<_>, Failure>>()?;
        report.limited("start, empty", median(&times), "ms", Limit::AtMost(100.0));
    }
    let database = folder.file("view.db");
    let view = View::start(&watchpost, &database)?;
    let until = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
    let (small, events): (u64, u64) = options.pick((240_000, 1_000_000), (24_000, 100_000));
    let in_order = Times::InOrder { until, of: events };
    let mut table =
        Table::new("Taking in", ["times", "envelopes", "items", "a second", "CPU µs an envelope", "of the sender"]);
    let rate = throughput(&view, small, in_order, &mut table)?;
    report.limited("envelopes stored", rate, "/s", Limit::AtLeast(20_000.0));
    if options.wants("shuffled") {
        let view = View::start(&watchpost, &folder.file("shuffled.db"))?;
        let rate = throughput(&view, small, Times::Shuffled { until }, &mut table)?;
        report.figure("envelopes stored, times in no order", rate, "/s");
    }
    report.table(table);
    if options.wants("pages") {
        for first in (small..events).step_by(FILLED as usize) {
            Load::new(first..(first + FILLED).min(events), BATCHED, in_order).send(view.address)?;
        }
        view.get("/api/stats")?;
        let filled = Instant::now();
        // Waits until everything can be found.
        view.get("/api/search?query=search")?;
        report.figure("search's index ready after", filled.elapsed().as_secs_f64(), "s");
        pages(&view, events, options.rounds(15, 5), &mut report)?;
        let memory = Memory::of(view.child.id())?;
        report.limited("RSS with all stored", memory.resident, "MiB", Limit::AtMost(64.0));
        report.limited("RSS at its peak", memory.peak, "MiB", Limit::AtMost(64.0));
        report.figure("database", fs::metadata(&database)?.len() as f64 / 1024.0 / 1024.0, "MiB");
        drop(view);
        let times =
            (0..starts).map(|_| Ok(View::start(&watchpost, &database)?.took)).collect::<Result<Vec<_>, Failure>>()?;
        report.limited("start, all stored", median(&times), "ms", Limit::AtMost(100.0));
    }
    report.print(options.json);
    Ok(())
}

/// Envelopes of one log each (and what belongs to every fourth and twentieth), from the first byte until all is committed.
/// Gives how many a second.
fn throughput(view: &View, envelopes: u64, times: Times, table: &mut Table) -> Result<f64, Failure> {
    let load = Load::new(0..envelopes, 1, times);
    let (cpu, own) = (cpu_seconds(view.child.id())?, own_cpu_seconds());
    let began = Instant::now();
    load.send(view.address)?;
    // Answered once everything sent before is committed.
    let stats: serde_json::Value = serde_json::from_slice(&view.get("/api/stats")?)?;
    let took = began.elapsed().as_secs_f64();
    let (cpu, own) = (cpu_seconds(view.child.id())? - cpu, own_cpu_seconds() - own);
    if stats["events"].as_u64() != Some(envelopes) {
        return Err(format!("{envelopes} events were sent; the receiver has {}", stats["events"]).into());
    }
    let rate = envelopes as f64 / took;
    table.row([
        match times {
            Times::InOrder { .. } => "in order".to_owned(),
            Times::Shuffled { .. } => "in no order".to_owned(),
        },
        number(envelopes as f64),
        number(stats["kept"].as_f64().unwrap_or(0.0)),
        number(rate),
        number(cpu / envelopes as f64 * 1e6),
        number(own / envelopes as f64 * 1e6),
    ]);
    Ok(rate)
}

/// Each page as a reader opens it: its queries, its rendering, its way through HTTP.
fn pages(view: &View, events: u64, rounds: usize, report: &mut Report) -> Result<(), Failure> {
    let session = events / 2 / 50;
    let paths = [
        ("overview, 24 h", "/?range=24h".to_owned()),
        ("overview, 60 d", "/?range=60d".to_owned()),
        ("sessions", "/sessions".to_owned()),
        ("a session", format!("/sessions/ses_{session}")),
        ("traces", "/traces".to_owned()),
        ("a trace", format!("/traces/{session:032x}")),
        ("issues", "/issues".to_owned()),
        ("an issue", "/issues/1".to_owned()),
        ("tools", "/tools".to_owned()),
        ("logs", "/logs".to_owned()),
        ("logs, errors", "/logs?level=error".to_owned()),
        ("logs, a text", "/logs?query=create_issue&level=warn".to_owned()),
        ("logs, a text that is nowhere", "/logs?query=nowhere".to_owned()),
        ("search, a common word", "/search?query=search".to_owned()),
        ("search, a rare word", format!("/search?query=ses_{session}")),
        ("search, nothing", "/search?query=nowhere".to_owned()),
        ("stats (API)", "/api/stats".to_owned()),
    ];
    let mut table =
        Table::new(format!("Pages with {} events stored", number(events as f64)), ["page", "median ms", "slowest ms"]);
    let mut slowest: f64 = 0.0;
    for (name, path) in paths {
        let mut times = Vec::new();
        for _ in 0..rounds {
            let began = Instant::now();
            view.get(&path)?;
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        let middle = median(&times);
        slowest = slowest.max(middle);
        table.row([name.to_owned(), number(middle), number(times.iter().copied().fold(0.0, f64::max))]);
    }
    report.table(table);
    report.limited("slowest page, median", slowest, "ms", Limit::AtMost(100.0));
    Ok(())
}

/// A folder for databases that goes with the run.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self, Failure> {
        let folder = target_folder()?.join("bench-receiver").join(std::process::id().to_string());
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left over is in the target folder.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running `watchpost view`; ended when dropped.
struct View {
    child: Child,
    address: SocketAddr,
    /// Milliseconds from its start until it answered.
    took: f64,
}

impl View {
    fn start(watchpost: &Path, database: &Path) -> Result<Self, Failure> {
        // A port that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(watchpost);
        command.args(["view", "--max-size", "8192", "--listen", &address.to_string(), "--db"]).arg(database);
        forget_settings(&mut command);
        let began = Instant::now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stderr.take().ok_or("no standard error")?).read_line(&mut line)?;
        let mut view = Self { child, address, took: 0.0 };
        view.get("/health").map_err(|error| format!("watchpost view did not start ({error}): {line}"))?;
        view.took = began.elapsed().as_secs_f64() * 1000.0;
        Ok(view)
    }

    /// The body of a page or of an answer of the API; an error unless it is a 200.
    fn get(&self, path: &str) -> Result<Vec<u8>, Failure> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(SILENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let head = memchr::memmem::find(&answer, b"\r\n\r\n").ok_or("the answer has no end of its head")?;
        if !answer.starts_with(b"HTTP/1.1 200") {
            return Err(format!("{path}: {}", String::from_utf8_lossy(&answer[..head])).into());
        }
        Ok(answer.split_off(head + 4))
    }
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}
