//! Receives on 127.0.0.1 (port from the first argument, 8969 by default) and prints a line for each item, until killed.

use std::io::Write as _;

use watchpost_receiver::{Receiver, ReceiverConfig, tail};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut config = ReceiverConfig::default();
    if let Some(port) = arguments.next() {
        config.address.set_port(port.parse()?);
    }
    if let Some(path) = arguments.next() {
        config = config.with_file(path);
    }
    let receiver = Receiver::bind(config)?.start()?;
    let mut items = receiver.subscribe();
    let mut out = std::io::stdout().lock();
    writeln!(out, "look at {}, send to {}", receiver.url(), receiver.dsn())?;
    while let Some(item) = items.recv() {
        writeln!(out, "{}", tail::format_item(&item, true))?;
    }
    Ok(())
}
