//! `watchpost demo`: the main job on an embedded example, with no account and no network. A receiver, an example MCP server
//! behind the proxy, a scripted client; then a table of what arrived and the page's address.

use std::{
    io::{self, IsTerminal as _, Write as _},
    net::{Ipv4Addr, SocketAddr},
    process::{Command, ExitCode},
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use watchpost_receiver::{Page, Receiver, ReceiverConfig, ReceiverError, RunningReceiver, SessionEvent};

use crate::{
    args::DemoArgs,
    demo::client::{self, Client},
    failure::Failure,
    local_receiver,
};

/// Runs the demo. Exit code 1 when something that was sent did not arrive.
pub(crate) fn run(args: &DemoArgs) -> Result<ExitCode, Failure> {
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::Signals)?;
    let receiver = start_receiver(args.listen)?;
    let mut client = Client::start(proxied_server(&receiver)?)?;
    let requests = client::play(&mut client)?;
    let code = client.finish()?;
    if code != Some(0) {
        return Err(Failure::Demo(format!("the example server ended with {code:?} instead of 0")));
    }
    let events = arrived(&receiver)?;
    let mut out = io::stdout().lock();
    print(&mut out, &receiver, &events).map_err(Failure::Output)?;
    // `ping` is not reported; everything else is.
    let whole = events.len() as u64 + 1 == requests;
    if !whole {
        return Err(Failure::Demo(format!("{} of {} calls arrived", events.len(), requests - 1)));
    }
    if !args.once {
        writeln!(out, "The page stays open; Ctrl-C ends it.").map_err(Failure::Output)?;
        drop(out);
        signals.forever().next();
    }
    receiver.stop();
    Ok(ExitCode::SUCCESS)
}

/// In memory: a demo leaves nothing behind. Any free port when the usual one is taken and none was asked for.
fn start_receiver(listen: Option<SocketAddr>) -> Result<RunningReceiver, Failure> {
    let bind = |address| Receiver::bind(ReceiverConfig::default().with_address(address));
    let receiver = match listen {
        Some(address) => bind(address)?,
        None => match bind(local_receiver::DEFAULT_ADDRESS) {
            Err(ReceiverError::AddressInUse { .. }) => bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?,
            bound => bound?,
        },
    };
    Ok(receiver.start()?)
}

/// `watchpost mcp … -- watchpost demo-server`: this same program twice.
fn proxied_server(receiver: &RunningReceiver) -> Result<Command, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::Demo(format!("where is this program? {error}")))?;
    let mut command = Command::new(&program);
    command.args(["mcp", "--dsn", &receiver.dsn(), "--enable-tracing", "--traces-sample-rate", "1"]);
    command.args(["--spool", "off"]);
    command.args(["--environment", "demo", "--release", concat!("watchpost-demo@", env!("CARGO_PKG_VERSION"))]);
    command.args(["--project-id", "proj_demo", "--actor-id", "user-42", "--actor-name", "Ada Lovelace"]);
    // The demo is the user's explicit wish and stays on this machine; nothing set for real servers may change it.
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("SENTRY_") || name_text.starts_with("WATCHPOST_") {
            command.env_remove(&name);
        }
    }
    command.env_remove("DO_NOT_TRACK").env_remove("OTEL_SDK_DISABLED");
    // An empty configuration, whatever file is in this folder.
    command.args(["--config", "/dev/null"]);
    command.arg("--").arg(&program).arg("demo-server");
    Ok(command)
}

fn arrived(receiver: &RunningReceiver) -> Result<Vec<SessionEvent>, Failure> {
    let failed = |error| Failure::Receiver(ReceiverError::from(error));
    let store = receiver.store();
    let page = Page::default().with_limit(1000);
    let sessions = store.sessions(page).map_err(failed)?.sessions;
    let Some(session) = sessions.first() else { return Ok(Vec::new()) };
    Ok(store.session(&session.id, page).map_err(failed)?.map(|detail| detail.events).unwrap_or_default())
}

fn print(out: &mut impl io::Write, receiver: &RunningReceiver, events: &[SessionEvent]) -> io::Result<()> {
    let color = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let paint = |text: &str, code: &str| if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
    let stats = receiver.store().stats().map_err(io::Error::other)?;
    let count = |kind: &str| stats.items.iter().find(|item| item.kind == kind).map_or(0, |item| item.received);
    writeln!(
        out,
        "\nAn example MCP server ran behind `watchpost mcp`; a scripted client called it. What arrived:\n\n  {} logs   {} \
         transactions   {} errors in {} issues\n",
        count("log"),
        count("transaction"),
        count("event"),
        stats.issues,
    )?;
    let header = row("METHOD", "RESOURCE", "DURATION", "STATUS", "ERROR");
    writeln!(out, "  {}", paint(header.trim_end(), "1"))?;
    for event in events {
        let duration = event.duration_ms.map(|ms| format!("{ms:.1} ms")).unwrap_or_default();
        let status = event.status.as_deref().unwrap_or("–");
        let error = event.error.as_deref().unwrap_or_default();
        let line = row(&event.method, event.resource.as_deref().unwrap_or_default(), &duration, status, error);
        let line = line.trim_end();
        writeln!(out, "  {}", if event.is_error { paint(line, "31") } else { line.to_owned() })?;
    }
    writeln!(out, "\nSee it: {}", paint(&receiver.url(), "4"))
}

/// One line of the table. Widths are measured in terminal columns: names may be in any script.
fn row(method: &str, resource: &str, duration: &str, status: &str, error: &str) -> String {
    use console::{
        Alignment::{Left, Right},
        pad_str,
    };
    format!(
        "{} {} {}  {} {}",
        pad_str(method, 15, Left, Some("…")),
        pad_str(resource, 15, Left, Some("…")),
        pad_str(duration, 9, Right, None),
        pad_str(status, 15, Left, Some("…")),
        console::truncate_str(error, 60, "…"),
    )
}
