//! The MCP server of the benches: std, blocking, one thread, so that little else than the route is measured.
//! Each way of serving is a small fast extreme; a real server is slower, which only makes a proxy's share smaller.

use std::io::{BufRead as _, BufReader, Read, Write};

use super::{
    frame::{Frame, ID_PREFIX, id_of},
    options::value,
};
use crate::Failure;

const INITIALIZE: &str = ",\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}},\
                          \"serverInfo\":{\"name\":\"bench-server\",\"version\":\"1.0.0\"}}}";
const GREETING: &[u8] =
    b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":\"ready\"}}\n";
/// As much as a pipe holds by default.
const CHUNK: usize = 64 * 1024;

/// How the server serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serving {
    /// Parses each frame with `serde_json`, as a real server must, and answers it with one write of this size.
    Parse(usize),
    /// Finds lines and copies the id from its fixed place, all answers to a read in one write: the fastest an answering
    /// server can be, close to a bare byte echo, yet valid MCP.
    Bare(usize),
    /// Takes and gives frames of any size in constant memory.
    Large,
    /// Greets at once, then swallows its input.
    Greet,
}

impl Serving {
    /// The arguments that make this program serve so.
    pub(super) fn args(self) -> [String; 4] {
        let (name, size) = match self {
            Self::Parse(size) => ("parse", size),
            Self::Bare(size) => ("bare", size),
            Self::Large => ("large", 0),
            Self::Greet => ("greet", 0),
        };
        ["bench".to_owned(), "echo-server".to_owned(), name.to_owned(), size.to_string()]
    }

    fn parse(args: &[String]) -> Result<Self, Failure> {
        let size = value("echo-server", args.get(1))?.parse()?;
        match args[0].as_str() {
            "parse" => Ok(Self::Parse(size)),
            "bare" => Ok(Self::Bare(size)),
            "large" => Ok(Self::Large),
            "greet" => Ok(Self::Greet),
            other => Err(format!("no way of serving is called {other}").into()),
        }
    }
}

/// Serves on standard input and output until the input ends.
pub(super) fn run(args: &[String]) -> Result<(), Failure> {
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    match Serving::parse(args)? {
        Serving::Parse(size) => parse_and_answer(input, output, size),
        Serving::Bare(size) => answer_bare(input, output, size),
        Serving::Large => pass_large(input, output),
        Serving::Greet => greet(input, output),
    }
}

fn parse_and_answer(input: impl Read, mut output: impl Write, size: usize) -> Result<(), Failure> {
    let mut input = BufReader::with_capacity(CHUNK, input);
    let (mut answer, mut initialized) = (Frame::answer(size), Frame::whole(INITIALIZE));
    let mut line = Vec::new();
    while input.read_until(b'\n', &mut line)? > 0 {
        let message: serde_json::Value = serde_json::from_slice(&line)?;
        if let Some(id) = message["id"].as_u64() {
            let frame = if message["method"] == "initialize" { &mut initialized } else { &mut answer };
            output.write_all(frame.with_id(id))?;
            output.flush()?;
        }
        line.clear();
    }
    Ok(())
}

fn answer_bare(mut input: impl Read, mut output: impl Write, size: usize) -> Result<(), Failure> {
    let (mut answer, mut initialized) = (Frame::answer(size), Frame::whole(INITIALIZE));
    let mut unread = Vec::with_capacity(2 * CHUNK);
    let mut chunk = vec![0; CHUNK];
    let mut answers = Vec::with_capacity(2 * CHUNK);
    loop {
        let read = input.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        unread.extend_from_slice(&chunk[..read]);
        let mut start = 0;
        while let Some(length) = memchr::memchr(b'\n', &unread[start..]) {
            let line = &unread[start..start + length];
            start += length + 1;
            if let Some(id) = id_of(line) {
                let initialize = line[ID_PREFIX.len() + 10..].starts_with(b",\"method\":\"initialize\"");
                let frame = if initialize { &mut initialized } else { &mut answer };
                answers.extend_from_slice(frame.with_id(id));
            }
        }
        unread.drain(..start);
        output.write_all(&answers)?;
        output.flush()?;
        answers.clear();
    }
}

fn greet(mut input: impl Read, mut output: impl Write) -> Result<(), Failure> {
    output.write_all(GREETING)?;
    output.flush()?;
    std::io::copy(&mut input, &mut std::io::sink())?;
    Ok(())
}

/// The request by which [`pass_large`] gives a frame: its text has this many bytes.
pub(super) const WANTED: &str = "\"answer_bytes\":";

/// Answers each line with its length and sum; a line that asks for bytes gets a result with that much text.
fn pass_large(mut input: impl Read, mut output: impl Write) -> Result<(), Failure> {
    let mut chunk = vec![0; CHUNK];
    let mut beginning = Vec::new();
    let (mut length, mut sum) = (0, 0);
    loop {
        let read = input.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        let mut rest = &chunk[..read];
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let line = &rest[..=end];
            rest = &rest[end + 1..];
            keep_beginning(&mut beginning, line);
            (length, sum) = (length + line.len(), sum_bytes(sum, line));
            if let Some(id) = id_of(&beginning) {
                answer_large(&mut output, id, &beginning, length, sum)?;
            }
            beginning.clear();
            (length, sum) = (0, 0);
        }
        keep_beginning(&mut beginning, rest);
        (length, sum) = (length + rest.len(), sum_bytes(sum, rest));
    }
}

fn keep_beginning(beginning: &mut Vec<u8>, bytes: &[u8]) {
    let room = 256_usize.saturating_sub(beginning.len());
    beginning.extend_from_slice(&bytes[..room.min(bytes.len())]);
}

/// Adds the bytes' values; enough to see a lost, doubled or changed byte.
pub(super) fn sum_bytes(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum, |sum, &byte| sum + u64::from(byte))
}

fn answer_large(output: &mut impl Write, id: u64, request: &[u8], length: usize, sum: u64) -> Result<(), Failure> {
    let request = String::from_utf8_lossy(request);
    if request.contains("\"method\":\"initialize\"") {
        output.write_all(Frame::whole(INITIALIZE).with_id(id))?;
    } else if let Some((_, wanted)) = request.split_once(WANTED) {
        let wanted: usize = wanted.chars().take_while(char::is_ascii_digit).collect::<String>().parse()?;
        write!(output, "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":[{{\"type\":\"text\",\"text\":\"")?;
        write_text(output, wanted)?;
        output.write_all(b"\"}],\"isError\":false}}\n")?;
    } else {
        writeln!(
            output,
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"content\":[],\"length\":{length},\"sum\":{sum}}}}}"
        )?;
    }
    output.flush()?;
    Ok(())
}

/// Writes `bytes` letters in chunks.
pub(super) fn write_text(output: &mut impl Write, bytes: usize) -> Result<(), Failure> {
    let text = [b'x'; CHUNK];
    let mut left = bytes;
    while left > 0 {
        let now = left.min(CHUNK);
        output.write_all(&text[..now])?;
        left -= now;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::frame::FIRST_ID;

    fn answers(serve: impl Fn(&[u8], &mut Vec<u8>)) -> Vec<serde_json::Value> {
        let mut input = Frame::whole(",\"method\":\"initialize\",\"params\":{}}").with_id(FIRST_ID).to_vec();
        input.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n");
        input.extend_from_slice(Frame::call(450).with_id(FIRST_ID + 1));
        let mut output = Vec::new();
        serve(&input, &mut output);
        output.split_inclusive(|&byte| byte == b'\n').map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    fn check(answers: &[serde_json::Value]) {
        assert_eq!(answers.len(), 2);
        assert_eq!(answers[0]["id"], FIRST_ID);
        assert_eq!(answers[0]["result"]["serverInfo"]["name"], "bench-server");
        assert_eq!(answers[1]["id"], FIRST_ID + 1);
    }

    #[test]
    fn every_request_is_answered_with_its_id_and_no_notification_is() {
        check(&answers(|input, output| parse_and_answer(input, output, 300).unwrap()));
        check(&answers(|input, output| answer_bare(input, output, 300).unwrap()));
        check(&answers(|input, output| pass_large(input, output).unwrap()));
    }

    #[test]
    fn a_large_line_is_answered_with_its_length_and_sum() {
        let mut line = Frame::call(300_000);
        let line = line.with_id(FIRST_ID);
        let mut output = Vec::new();
        pass_large(line, &mut output).unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&output).unwrap();
        assert_eq!(answer["result"]["length"], 300_000);
        assert_eq!(answer["result"]["sum"], sum_bytes(0, line));
    }
}
