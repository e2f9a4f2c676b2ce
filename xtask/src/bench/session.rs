//! The client of the benches: one MCP connection over pipes to a server, straight or through something between.
//! Blocking reads and one write per frame, as a stdio client does; a watchdog kills what hangs.

use std::{
    io::{Read as _, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    frame::{FIRST_ID, Frame, id_of},
    server::{WANTED, sum_bytes, write_text},
};
use crate::Failure;

/// No part of a bench takes this long unless something hangs.
const PATIENCE: Duration = Duration::from_secs(120);
const CHUNK: usize = 64 * 1024;
const INITIALIZE: &str = ",\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},\
                          \"clientInfo\":{\"name\":\"bench-client\",\"version\":\"1.0.0\"}}}";
const INITIALIZED: &[u8] = b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";

/// A connection; dropping it closes the pipes, which ends the server.
#[derive(Debug)]
pub(super) struct Session {
    child: Arc<Mutex<Child>>,
    input: ChildStdin,
    output: ChildStdout,
    next_id: u64,
    watchdog: Option<mpsc::Sender<()>>,
}

impl Session {
    /// Starts the command with pipes.
    pub(super) fn start(mut command: Command) -> Result<Self, Failure> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("can't start {}: {error}", command.get_program().display()))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the child has no pipes".into());
        };
        let child = Arc::new(Mutex::new(child));
        let (watchdog, done) = mpsc::channel::<()>();
        let watched = Arc::clone(&child);
        thread::spawn(move || {
            if done.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                let _ = watched.lock().unwrap_or_else(PoisonError::into_inner).kill();
            }
        });
        Ok(Self { child, input, output, next_id: FIRST_ID, watchdog: Some(watchdog) })
    }

    /// Starts the command and initializes the MCP connection.
    pub(super) fn open(command: Command) -> Result<Self, Failure> {
        let mut session = Self::start(command)?;
        session.input.write_all(Frame::whole(INITIALIZE).with_id(session.next_id))?;
        session.next_id += 1;
        session.read_line()?;
        session.input.write_all(INITIALIZED)?;
        Ok(session)
    }

    /// The process started: the server itself, or what stands in front of it.
    pub(super) fn pid(&self) -> u32 {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).id()
    }

    /// Calls one after the other, `pause` apart; nanoseconds from before each write until the whole answer is there.
    pub(super) fn round_trips(&mut self, calls: usize, size: usize, pause: Duration) -> Result<Vec<u64>, Failure> {
        let mut frame = Frame::call(size);
        let mut samples = Vec::with_capacity(calls);
        for _ in 0..calls {
            if !pause.is_zero() {
                thread::sleep(pause);
            }
            let id = self.next_id;
            self.next_id += 1;
            let line = frame.with_id(id);
            let start = Instant::now();
            self.input.write_all(line)?;
            let answer = self.read_line()?;
            samples.push(start.elapsed().as_nanos() as u64);
            if id_of(&answer) != Some(id) {
                return Err(format!("the answer to {id} was {}", String::from_utf8_lossy(&answer)).into());
            }
        }
        Ok(samples)
    }

    /// Sends `frames` calls of `size` bytes with at most `in_flight` unanswered, writing and reading on threads of their
    /// own; the time until the last answer.
    pub(super) fn pipeline(&mut self, frames: u64, size: usize, in_flight: u64) -> Result<Duration, Failure> {
        let first_id = self.next_id;
        self.next_id += frames;
        let (answered, broken) = (AtomicU64::new(0), AtomicBool::new(false));
        let (input, output) = (&mut self.input, &mut self.output);
        let start = Instant::now();
        thread::scope(|scope| {
            let writer = scope.spawn(|| {
                let mut frame = Frame::call(size);
                for sent in 0..frames {
                    while sent - answered.load(Ordering::Acquire) >= in_flight {
                        if broken.load(Ordering::Acquire) {
                            return Ok(());
                        }
                        thread::park();
                    }
                    input.write_all(frame.with_id(first_id + sent))?;
                }
                Ok::<(), std::io::Error>(())
            });
            let mut chunk = vec![0; CHUNK];
            let mut lines = 0;
            let read = loop {
                if lines >= frames {
                    break Ok(());
                }
                match output.read(&mut chunk) {
                    Ok(0) => break Err("the server ended amid the answers".into()),
                    Ok(read) => lines += memchr::memchr_iter(b'\n', &chunk[..read]).count() as u64,
                    Err(error) => break Err(Failure::from(error)),
                }
                answered.store(lines, Ordering::Release);
                writer.thread().unpark();
            };
            broken.store(read.is_err(), Ordering::Release);
            writer.thread().unpark();
            let written = writer.join().map_err(|_| "the writing thread panicked")?;
            read?;
            written?;
            if lines == frames { Ok(()) } else { Err(format!("{lines} answers to {frames} calls").into()) }
        })
        .map(|()| start.elapsed())
    }

    /// Sends one call with `bytes` of text, and checks that the server got every byte; the time it took.
    pub(super) fn send_large(&mut self, bytes: usize) -> Result<Duration, Failure> {
        let id = self.next_id;
        self.next_id += 1;
        let (head, tail) = (large_call(id, "import_orders", "\"data\":\""), b"\"}}}\n");
        let start = Instant::now();
        self.input.write_all(head.as_bytes())?;
        write_text(&mut self.input, bytes)?;
        self.input.write_all(tail)?;
        let answer: serde_json::Value = serde_json::from_slice(&self.read_line()?)?;
        let took = start.elapsed();
        let sum = sum_bytes(sum_bytes(bytes as u64 * u64::from(b'x'), head.as_bytes()), tail);
        if answer["result"]["length"] != head.len() + bytes + tail.len() || answer["result"]["sum"] != sum {
            return Err(format!("the server did not get the large frame as it was sent: {answer}").into());
        }
        Ok(took)
    }

    /// Makes the server send one answer with `bytes` of text, and checks every byte; the time it took.
    pub(super) fn receive_large(&mut self, bytes: usize) -> Result<Duration, Failure> {
        let id = self.next_id;
        self.next_id += 1;
        let request = format!("{}\"}}}}}}\n", large_call(id, "export_orders", &format!("{WANTED}{bytes},\"to\":\"")));
        let head =
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"");
        let tail = b"\"}],\"isError\":false}}\n";
        let start = Instant::now();
        self.input.write_all(request.as_bytes())?;
        let mut chunk = vec![0; CHUNK];
        let (mut length, mut sum) = (0, 0);
        let mut ended = false;
        while !ended {
            let read = self.output.read(&mut chunk)?;
            if read == 0 {
                return Err("the server ended amid the large frame".into());
            }
            ended = chunk[read - 1] == b'\n';
            length += read;
            sum = sum_bytes(sum, &chunk[..read]);
        }
        let took = start.elapsed();
        let wanted_sum = sum_bytes(sum_bytes(bytes as u64 * u64::from(b'x'), head.as_bytes()), tail);
        if length != head.len() + bytes + tail.len() || sum != wanted_sum {
            return Err(format!("the large frame did not arrive as it was sent: {length} bytes, sum {sum}").into());
        }
        Ok(took)
    }

    /// Waits for the first byte.
    pub(super) fn first_byte(&mut self) -> Result<(), Failure> {
        Ok(self.output.read_exact(&mut [0])?)
    }

    /// Closes the server's input, reads to the end of its output and waits for a good end.
    pub(super) fn close(self) -> Result<(), Failure> {
        let Self { child, input, mut output, watchdog, .. } = self;
        drop(input);
        std::io::copy(&mut output, &mut std::io::sink())?;
        let status = child.lock().unwrap_or_else(PoisonError::into_inner).wait()?;
        drop(watchdog);
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }

    fn read_line(&mut self) -> Result<Vec<u8>, Failure> {
        let mut line = Vec::with_capacity(1024);
        let mut chunk = [0; 4096];
        loop {
            let read = self.output.read(&mut chunk)?;
            if read == 0 {
                return Err("the server ended instead of answering".into());
            }
            line.extend_from_slice(&chunk[..read]);
            if chunk[read - 1] == b'\n' {
                return Ok(line);
            }
        }
    }
}

fn large_call(id: u64, tool: &str, arguments: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\"{tool}\",\"arguments\":{{{arguments}"
    )
}
