//! The proxy between two pipes of the test and small shell servers: what each side sees of the other, whatever the tap does.
//! What needs a process of its own (signals, exit codes, standard input and output) is in `tests/proxy.rs`.

use std::{
    fs::File,
    io::{self, PipeReader, PipeWriter, Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::Pid;
use watchpost::{mcp::Moment, model::Direction};

use super::{
    ProxyExit, ProxyOptions, Tap,
    client::ClientPipes,
    observe::ObserverEnd,
    server::{Server, has_living_members},
    supervisor::Supervisor,
};

/// Nothing here takes this long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the tap of a test was shown.
#[derive(Clone, Debug, Default)]
struct Recording(Arc<Mutex<Recorded>>);

#[derive(Debug, Default)]
struct Recorded {
    chunks: Vec<(Direction, Vec<u8>)>,
    skipped: u64,
    closed: bool,
}

impl Tap for Recording {
    fn feed(&mut self, direction: Direction, bytes: &[u8], _at: Moment) {
        self.0.lock().unwrap().chunks.push((direction, bytes.to_vec()));
    }

    fn skip(&mut self, _direction: Direction, bytes: u64) {
        self.0.lock().unwrap().skipped += bytes;
    }

    fn turn(&mut self, _now: Moment) -> Option<Duration> {
        None
    }

    fn close(&mut self, _now: Moment) {
        self.0.lock().unwrap().closed = true;
    }
}

impl Recording {
    fn bytes(&self, wanted: Direction) -> Vec<u8> {
        let recorded = self.0.lock().unwrap();
        recorded
            .chunks
            .iter()
            .filter(|(direction, _)| *direction == wanted)
            .flat_map(|(_, bytes)| bytes.clone())
            .collect()
    }
}

/// A tap that never returns from its first call.
struct Stuck;

impl Tap for Stuck {
    fn feed(&mut self, _direction: Direction, _bytes: &[u8], _at: Moment) {
        loop {
            thread::park();
        }
    }

    fn skip(&mut self, _direction: Direction, _bytes: u64) {}

    fn turn(&mut self, _now: Moment) -> Option<Duration> {
        None
    }

    fn close(&mut self, _now: Moment) {}
}

/// The client's side of a running proxy.
struct Client<I, O> {
    input: I,
    output: O,
    group: Pid,
    exit: Receiver<ProxyExit>,
}

/// The defaults, but for a tap that a busy machine makes slow.
fn options(script: &str) -> ProxyOptions {
    ProxyOptions { observer_grace: PATIENCE, ..ProxyOptions::new("/bin/sh", vec!["-c".into(), script.into()]) }
}

fn impatient_with_tap(script: &str) -> ProxyOptions {
    ProxyOptions { observer_grace: Duration::from_millis(50), ..options(script) }
}

fn impatient(script: &str) -> ProxyOptions {
    let brief = Duration::from_millis(50);
    ProxyOptions { shutdown_grace: brief, kill_grace: brief, drain_grace: brief, ..options(script) }
}

fn start<T: Tap, I, O>(
    options: &ProxyOptions,
    (input, our_input): (I, OwnedFd),
    (output, our_output): (O, OwnedFd),
    make_tap: impl FnOnce() -> T + Send + 'static,
) -> Client<I, O> {
    let (server, pipes) = Server::spawn(&options.command, &options.args).unwrap();
    let group = server.group();
    let client = ClientPipes { input: our_input, output: our_output };
    let supervisor = Supervisor::start(options, client, server, pipes, make_tap).unwrap();
    let (ended, exit) = mpsc::channel();
    thread::spawn(move || ended.send(supervisor.supervise()));
    Client { input, output, group, exit }
}

fn start_on_pipes<T: Tap>(
    options: &ProxyOptions,
    make_tap: impl FnOnce() -> T + Send + 'static,
) -> Client<PipeWriter, PipeReader> {
    let (our_input, input) = io::pipe().unwrap();
    let (output, our_output) = io::pipe().unwrap();
    start(options, (input, our_input.into()), (output, our_output.into()), make_tap)
}

fn end(exit: &Receiver<ProxyExit>) -> ProxyExit {
    exit.recv_timeout(PATIENCE).expect("the proxy hangs")
}

fn read_exactly(output: &mut impl io::Read, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    output.read_exact(&mut bytes).unwrap();
    bytes
}

/// Bytes of every value in lines of every length up to some kilobytes: the same for the same seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..len).map(|_| if next() % 700 == 0 { b'\n' } else { (next() >> 32) as u8 }).collect()
}

#[test]
fn bytes_pass_both_ways_unchanged_and_the_tap_sees_them_all() {
    for (seed, len) in [(1, 0), (2, 1), (3, 4095), (4, 65_536), (5, 65_537), (6, 3_000_000)] {
        let recording = Recording::default();
        let tap = recording.clone();
        // Room and patience for a machine that is busy with other things: what is lost then has tests of its own.
        let mut options = options("cat");
        options.backlog_bytes = 64 * 1024 * 1024;
        options.observer_grace = Duration::from_secs(60);
        let Client { mut input, mut output, exit, .. } = start_on_pipes(&options, move || tap);
        let sent = noise(seed, len);
        let copy = sent.clone();
        let writer = thread::spawn(move || input.write_all(&copy).unwrap());
        let mut received = Vec::new();
        output.read_to_end(&mut received).unwrap();
        writer.join().unwrap();
        assert!(received == sent, "{len} bytes come back changed");
        let exit = end(&exit);
        assert_eq!(exit.code, 0);
        assert_eq!((exit.bytes_to_server, exit.bytes_to_client), (len as u64, len as u64));
        assert_eq!((exit.bytes_unobserved, exit.observer), (0, ObserverEnd::Closed));
        assert!(recording.bytes(Direction::ClientToServer) == sent);
        assert!(recording.bytes(Direction::ServerToClient) == sent);
        assert!(recording.0.lock().unwrap().closed);
    }
}

#[test]
fn a_frame_of_fifty_megabytes_passes_while_the_kept_copy_stays_bounded() {
    const LEN: usize = 50_000_000;
    let Client { mut input, mut output, exit, .. } = start_on_pipes(&impatient_with_tap("cat"), || Stuck);
    let writer = thread::spawn(move || {
        let frame = noise(9, LEN);
        input.write_all(&frame).unwrap();
        frame
    });
    let mut received = Vec::with_capacity(LEN);
    output.read_to_end(&mut received).unwrap();
    assert!(writer.join().unwrap() == received, "the frame is changed");
    let exit = end(&exit);
    assert_eq!(exit.observer, ObserverEnd::Unfinished);
    // All but the one batch the tap sits on and the next one.
    assert!(exit.bytes_unobserved > 2 * LEN as u64 - 8 * 1024 * 1024, "{exit:?}");
}

#[test]
fn a_part_of_a_line_is_forwarded_at_once() {
    let Client { mut input, mut output, exit, .. } = start_on_pipes(&options("cat"), Recording::default);
    for part in [&b"{\"jsonrpc\""[..], b":", b"\"2.0\"", b"}"] {
        input.write_all(part).unwrap();
        // Blocks for ever if the part is held back.
        assert_eq!(read_exactly(&mut output, part.len()), part);
    }
    drop(input);
    assert_eq!(end(&exit).code, 0);
}

#[test]
fn an_answer_never_overtakes_its_request_on_the_way_to_the_tap() {
    let recording = Recording::default();
    let tap = recording.clone();
    let Client { mut input, mut output, exit, .. } = start_on_pipes(&options("cat"), move || tap);
    for _ in 0..3_000 {
        input.write_all(b"x").unwrap();
        read_exactly(&mut output, 1);
    }
    drop(input);
    assert_eq!(end(&exit).code, 0);
    let recorded = recording.0.lock().unwrap();
    assert_eq!(recorded.chunks.len(), 6_000);
    for pair in recorded.chunks.chunks(2) {
        assert_eq!([pair[0].0, pair[1].0], [Direction::ClientToServer, Direction::ServerToClient]);
    }
}

#[test]
fn bytes_flow_before_the_tap_is_made() {
    let recording = Recording::default();
    let tap = recording.clone();
    let (go, wait): (Sender<()>, Receiver<()>) = mpsc::channel();
    let Client { mut input, mut output, exit, .. } = start_on_pipes(&options("cat"), move || {
        wait.recv().unwrap();
        tap
    });
    input.write_all(b"early").unwrap();
    assert_eq!(read_exactly(&mut output, 5), b"early");
    go.send(()).unwrap();
    drop(input);
    assert_eq!(end(&exit).observer, ObserverEnd::Closed);
    assert_eq!(recording.bytes(Direction::ServerToClient), b"early");
}

#[test]
fn a_tap_that_panics_stops_nothing() {
    let Client { mut input, mut output, exit, .. } =
        start_on_pipes(&options("cat; exit 4"), || -> Recording { panic!("no telemetry today") });
    for _ in 0..100 {
        input.write_all(b"still here\n").unwrap();
        assert_eq!(read_exactly(&mut output, 11), b"still here\n");
    }
    drop(input);
    let exit = end(&exit);
    assert_eq!((exit.code, exit.observer), (4, ObserverEnd::Failed));
    assert_eq!(exit.bytes_unobserved, 2_200);
}

#[test]
fn a_tap_that_hangs_holds_neither_the_bytes_nor_the_exit() {
    let Client { mut input, mut output, exit, .. } = start_on_pipes(&impatient_with_tap("cat"), || Stuck);
    for _ in 0..100 {
        input.write_all(b"still here\n").unwrap();
        assert_eq!(read_exactly(&mut output, 11), b"still here\n");
    }
    drop(input);
    let exit = end(&exit);
    assert_eq!((exit.code, exit.observer), (0, ObserverEnd::Unfinished));
}

#[test]
fn a_server_that_dies_within_a_frame_leaves_the_client_with_that_part_and_the_end() {
    let Client { mut output, exit, input, .. } =
        start_on_pipes(&options(r#"printf '{"jsonrpc":"2.0","re'; kill -KILL $$"#), Recording::default);
    let mut received = Vec::new();
    output.read_to_end(&mut received).unwrap();
    assert_eq!(received, br#"{"jsonrpc":"2.0","re"#);
    assert_eq!(end(&exit).code, 128 + 9);
    drop(input);
}

#[test]
fn a_server_that_floods_a_slow_client_is_held_back_and_nothing_is_lost() {
    const LEN: usize = 100_000_000;
    let recording = Recording::default();
    let tap = recording.clone();
    let mut options = options(&format!("head -c {LEN} /dev/zero"));
    options.backlog_bytes = 256 * 1024;
    let Client { mut output, exit, input, .. } = start_on_pipes(&options, move || tap);
    let (mut total, mut chunk) = (0, vec![0; 1_000_000]);
    loop {
        match output.read(&mut chunk).unwrap() {
            0 => break,
            read => total += read,
        }
    }
    assert_eq!(total, LEN);
    drop(input);
    let exit = end(&exit);
    assert_eq!((exit.code, exit.bytes_to_client), (0, LEN as u64));
    let recorded = recording.0.lock().unwrap();
    let seen: usize = recorded.chunks.iter().map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(seen as u64 + exit.bytes_unobserved, LEN as u64);
    assert_eq!(recorded.skipped, exit.bytes_unobserved);
}

#[test]
fn the_server_sees_a_broken_pipe_when_the_client_stops_reading() {
    let Client { mut output, exit, input, .. } = start_on_pipes(&options("yes"), Recording::default);
    read_exactly(&mut output, 2);
    drop(output);
    // 128 + SIGPIPE, as without a proxy; the client's other pipe is still open.
    assert_eq!(end(&exit).code, 128 + 13);
    drop(input);
}

#[test]
fn the_client_sees_a_broken_pipe_when_the_server_closes_its_input() {
    let Client { mut input, mut output, exit, group } =
        start_on_pipes(&impatient("exec 0<&-; echo ready; exec sleep 1000"), Recording::default);
    assert_eq!(read_exactly(&mut output, 6), b"ready\n");
    let until = Instant::now() + PATIENCE;
    let error = loop {
        // The proxy may not have closed its end yet: then a byte still finds its way into the pipe.
        match input.write_all(b"x") {
            Ok(()) => assert!(Instant::now() < until, "the pipe stays open"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    drop(output);
    assert_eq!(end(&exit).code, 128 + 15);
    assert!(!has_living_members(group));
}

#[test]
fn the_client_sees_the_end_of_the_output_when_the_server_closes_it_and_runs_on() {
    let Client { mut input, mut output, exit, .. } =
        start_on_pipes(&options("echo last; exec 1>&-; read line; exit 6"), Recording::default);
    let mut received = Vec::new();
    output.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"last\n");
    input.write_all(b"bye\n").unwrap();
    assert_eq!(end(&exit).code, 6);
}

#[test]
fn a_server_that_ignores_everything_is_killed_with_its_whole_group() {
    let script = "trap '' TERM; sleep 1000 & sleep 1000 & echo ready; while :; do sleep 1000; done";
    let Client { mut output, exit, input, group } = start_on_pipes(&impatient(script), Recording::default);
    read_exactly(&mut output, 6);
    drop(input);
    assert_eq!(end(&exit).code, 128 + 9);
    assert!(!has_living_members(group));
}

#[test]
fn a_server_that_reads_nothing_is_ended_after_the_client_has_vanished() {
    let Client { mut input, output, exit, group } = start_on_pipes(&impatient("exec sleep 1000"), Recording::default);
    // More than the server's pipe holds, less than that and the client's: the proxy is stuck in a write when the client goes.
    input.write_all(&[b'x'; 96 * 1024]).unwrap();
    drop(input);
    drop(output);
    assert_eq!(end(&exit).code, 128 + 15);
    assert!(!has_living_members(group));
}

#[test]
fn a_grandchild_that_holds_the_output_open_does_not_hold_the_exit() {
    let script = "(trap '' TERM; while :; do sleep 1000; done) & echo out; exit 3";
    let Client { mut output, exit, input, group } = start_on_pipes(&impatient(script), Recording::default);
    let mut received = Vec::new();
    output.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"out\n");
    assert_eq!(end(&exit).code, 3);
    assert!(!has_living_members(group));
    drop(input);
}

#[test]
fn what_a_grandchild_still_says_after_the_servers_end_reaches_the_client() {
    let script = "exec 3<&0; (read line <&3; echo \"late $line\") & exit 0";
    let mut options = options(script);
    options.drain_grace = PATIENCE;
    let Client { mut output, exit, mut input, .. } = start_on_pipes(&options, Recording::default);
    input.write_all(b"word\n").unwrap();
    let mut received = Vec::new();
    output.read_to_end(&mut received).unwrap();
    assert_eq!(received, b"late word\n");
    assert_eq!(end(&exit).code, 0);
}

#[test]
fn a_client_that_reads_only_after_the_server_has_ended_gets_everything() {
    // More than the client's pipe holds, less than it and the server's together.
    const LEN: usize = 120_000;
    let Client { mut output, exit, input, group } =
        start_on_pipes(&options(&format!("head -c {LEN} /dev/zero")), Recording::default);
    // Once the server is a zombie or reaped, its output is all the proxy's to give.
    let until = Instant::now() + PATIENCE;
    while std::fs::read_to_string(format!("/proc/{}/stat", group.as_raw_nonzero()))
        .is_ok_and(|stat| !stat.contains(") Z "))
    {
        assert!(Instant::now() < until);
        thread::yield_now();
    }
    let mut received = Vec::new();
    output.read_to_end(&mut received).unwrap();
    assert_eq!(received.len(), LEN);
    assert_eq!(end(&exit).code, 0);
    drop(input);
}

#[test]
fn unix_sockets_and_non_blocking_descriptors_serve_as_well_as_pipes() {
    const LEN: usize = 2_000_000;
    let (input, our_input) = UnixStream::pair().unwrap();
    let (mut output, our_output) = UnixStream::pair().unwrap();
    our_input.set_nonblocking(true).unwrap();
    our_output.set_nonblocking(true).unwrap();
    let Client { mut input, exit, .. } = start(
        &options("cat"),
        (input, our_input.into()),
        (output.try_clone().unwrap(), our_output.into()),
        Recording::default,
    );
    let writer = thread::spawn(move || {
        input.write_all(&noise(7, LEN)).unwrap();
        // As Node's `stdin.end()`.
        input.shutdown(std::net::Shutdown::Write).unwrap();
        input
    });
    let mut received = Vec::new();
    output.read_to_end(&mut received).unwrap();
    assert!(received == noise(7, LEN));
    assert_eq!(end(&exit).code, 0);
    drop(writer.join().unwrap());
}

#[test]
fn files_serve_as_input_and_output() {
    let folder = tempfile::tempdir().unwrap();
    let (requests, answers) = (folder.path().join("requests"), folder.path().join("answers"));
    std::fs::write(&requests, noise(8, 500_000)).unwrap();
    let ends = ((), File::open(&requests).unwrap().into());
    let Client { exit, .. } =
        start(&options("cat"), ends, ((), File::create(&answers).unwrap().into()), Recording::default);
    assert_eq!(end(&exit).code, 0);
    assert!(std::fs::read(&answers).unwrap() == noise(8, 500_000));
}
