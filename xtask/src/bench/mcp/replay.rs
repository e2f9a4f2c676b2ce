//! The limit beside which the export path is measured: ready-made requests over plain std sockets, one at a time each.
//! Nothing is built, serialised, compressed or kept: what remains is HTTP on this machine and the sink.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use serde::{Deserialize, Serialize};

use crate::{
    Failure,
    bench::{
        options::{own_program, value},
        process::cpu_seconds,
        sink::SinkProcess,
    },
};

/// One replay.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct ReplayRun {
    /// Seconds until the last answer.
    pub(super) wall: f64,
    /// CPU seconds of the process meanwhile.
    pub(super) cpu: f64,
}

impl ReplayRun {
    /// Sends `request` to the sink `count` times over `connections` from a process of its own.
    pub(super) fn run(sink: &SinkProcess, request: &[u8], count: u64, connections: u64) -> Result<Self, Failure> {
        let mut child = Command::new(own_program()?)
            .args(["bench", "replay", &sink.address().to_string(), &count.to_string(), &connections.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        child.stdin.take().ok_or("the replay has no input")?.write_all(request)?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("the replay ended with {}", output.status).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}

/// Reads a request from standard input and sends it: arguments are the sink's address, how often, and how many connections.
pub(in crate::bench) fn run(args: &[String]) -> Result<(), Failure> {
    let address = value("replay", args.first())?;
    let count: u64 = value("replay", args.get(1))?.parse()?;
    let connections: u64 = value("replay", args.get(2))?.parse::<u64>()?.max(1);
    let mut request = Vec::new();
    std::io::stdin().read_to_end(&mut request)?;
    let start = Instant::now();
    thread::scope(|scope| {
        let senders: Vec<_> = (0..connections)
            .map(|index| {
                let share = count / connections + u64::from(index < count % connections);
                let request = &request;
                scope.spawn(move || send(address, request, share))
            })
            .collect();
        for sender in senders {
            sender.join().map_err(|_| "a sending thread panicked")??;
        }
        Ok::<(), Failure>(())
    })?;
    let run = ReplayRun { wall: start.elapsed().as_secs_f64(), cpu: cpu_seconds(std::process::id())? };
    Ok(serde_json::to_writer(std::io::stdout(), &run)?)
}

fn send(address: &str, request: &[u8], count: u64) -> Result<(), Failure> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    let mut answer = [0; 1024];
    for _ in 0..count {
        connection.write_all(request)?;
        let mut length = 0;
        // The sink's answers end with an empty object.
        while !answer[..length].ends_with(b"{}") {
            match connection.read(&mut answer[length..])? {
                0 => return Err("the sink closed the connection".into()),
                read => length += read,
            }
        }
    }
    Ok(())
}
