//! The command line: every flag, its environment variable and its help.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use watchpost::{
    exporter::TraceMode,
    mcp::{CONTEXT_DESCRIPTION, EventFilter},
};
use watchpost_receiver::Fault;

use crate::{
    chosen::{ChosenCapture, ChosenSpanMode},
    given::{Given, Json, Switch},
    local_receiver,
    spool::ChosenSpool,
};

/// Sentry observability for AI agents and MCP servers.
#[derive(Debug, Parser)]
#[command(name = "watchpost", version, about, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Args {
    /// Say more on standard error (-v information, -vv details). WATCHPOST_LOG overrides it.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run an MCP server behind a transparent proxy and report its calls to Sentry.
    ///
    /// Put it in front of the server's command: `watchpost mcp -- npx -y some-server`. Bytes pass through untouched;
    /// the exit code is the server's. Without a DSN the calls go to `watchpost view` if it runs, else nowhere.
    Mcp(McpArgs),
    /// Export recorded events and say what became of them.
    Import(ImportArgs),
    /// Show what the spool holds, for whom, and what became of everything: sent, held, dropped and why.
    ///
    /// Exit code 1 when items were left behind that no running process sends: the next start with the same DSN does, or
    /// `watchpost flush`. What running processes hold is on its way, and what was dropped is past: both are shown, with exit
    /// code 0.
    Status(StatusArgs),
    /// Send now what earlier runs could not send and left in the spool.
    ///
    /// Exit code 0 when everything was delivered, 1 when something is left or was dropped. What running processes hold is left
    /// to them.
    Flush(FlushArgs),
    /// Receive what Sentry would receive, keep it, and show it on a local web page.
    View(ViewArgs),
    /// Try everything at once: a receiver, an example MCP server behind the proxy, and what arrived.
    Demo(DemoArgs),
    /// Prove that telemetry arrives: the way to Sentry, one of everything, and which of Sentry's views it lights.
    Doctor(DoctorArgs),
    /// The demo's example MCP server on standard input and output.
    #[command(hide = true)]
    DemoServer,
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Where to send to, shared by everything that exports. Precedence: flag, environment, `watchpost.toml`, default.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Export options")]
pub(crate) struct ExportArgs {
    /// Sentry's Data Source Name (project settings, "Client Keys").
    #[arg(long, env = "SENTRY_DSN", hide_env_values = true)]
    pub(crate) dsn: Option<Given<String>>,
    /// The environment's name [default: production].
    #[arg(long, env = "SENTRY_ENVIRONMENT")]
    pub(crate) environment: Option<Given<String>>,
    /// The release, for example my-server@1.2.3.
    #[arg(long, env = "SENTRY_RELEASE")]
    pub(crate) release: Option<Given<String>>,
    /// Send a transaction for each event too [default: false; true for the local receiver].
    #[arg(long, env = "WATCHPOST_ENABLE_TRACING", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) enable_tracing: Option<Given<Switch>>,
    /// The share of traces to send as transactions, 0 to 1 [default: 1]. Logs and errors are always sent.
    #[arg(long, env = "SENTRY_TRACES_SAMPLE_RATE")]
    pub(crate) traces_sample_rate: Option<Given<f64>>,
    /// Content to report: none, seed (of MCP events names, errors and the actor; of agents' spans everything), all, or a list
    /// of inputs, outputs, user, intent, errors [default: seed].
    #[arg(long, env = "WATCHPOST_CAPTURE", value_name = "WHAT")]
    pub(crate) capture: Option<Given<ChosenCapture>>,
    /// Which trace an event belongs to: session, propagated (the caller's, where it sent one) or call [default: session].
    #[arg(long, env = "WATCHPOST_TRACE", value_name = "TRACE")]
    pub(crate) trace: Option<Given<TraceMode>>,
    /// Keep what Sentry has not taken yet in this folder, and send it next time; off: in memory only [default: watchpost/spool
    /// in the user's state folder; off for the local receiver].
    #[arg(long, env = "WATCHPOST_SPOOL", value_name = "DIR|off")]
    pub(crate) spool: Option<Given<ChosenSpool>>,
    /// The configuration file [default: watchpost.toml in this folder, if there is one].
    #[arg(long, env = "WATCHPOST_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<Given<PathBuf>>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct McpArgs {
    #[command(flatten)]
    pub(crate) export: ExportArgs,
    /// Your project's id, sent with each event.
    #[arg(long, env = "WATCHPOST_PROJECT_ID")]
    pub(crate) project_id: Option<Given<String>>,
    /// Id of the person or agent the calls are made for.
    #[arg(long, env = "WATCHPOST_ACTOR_ID", value_name = "ID")]
    pub(crate) actor_id: Option<Given<String>>,
    /// Their name.
    #[arg(long, env = "WATCHPOST_ACTOR_NAME", value_name = "NAME")]
    pub(crate) actor_name: Option<Given<String>>,
    /// Anything else about them, as JSON.
    #[arg(long, env = "WATCHPOST_ACTOR_DATA", value_name = "JSON")]
    pub(crate) actor_data: Option<Given<Json>>,
    /// A tag for each event; repeatable.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = parse_tag)]
    pub(crate) tags: Vec<(String, String)>,
    /// Redact more than the built-in rules do: key:PATTERN (the value under a key) or text:PATTERN, with * ? # as wildcards;
    /// repeatable, and beside those of the configuration file.
    #[arg(long, value_name = "RULE")]
    pub(crate) redact: Vec<String>,
    /// Ask models why they call a tool: adds an argument `context` to the tools' schemas and takes it off the calls again. The
    /// only thing that changes what client and server see.
    #[arg(long)]
    pub(crate) tool_call_context: bool,
    /// What that argument asks the model for.
    #[arg(long, value_name = "TEXT", requires = "tool_call_context", default_value = CONTEXT_DESCRIPTION, hide_default_value = true)]
    pub(crate) tool_call_context_description: String,
    /// Report also `ping`, `notifications`, or `all`.
    #[arg(long, value_name = "KINDS", default_value = "requests")]
    pub(crate) events: EventFilter,
    /// Seconds the server has to end after its input closed, before it is terminated.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = parse_seconds)]
    pub(crate) shutdown_grace: f64,
    /// Bytes of a captured argument or result that are kept.
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024)]
    pub(crate) max_capture_bytes: usize,
    /// The server's command and its arguments.
    #[arg(last = true, required = true, num_args = 1.., value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) export: ExportArgs,
    /// What the lines are.
    #[arg(long, value_enum)]
    pub(crate) format: ImportFormat,
    /// How agents' spans travel: transaction (all in one, for any Sentry), hybrid (AI spans beside it), stream (each span by
    /// itself), auto (hybrid for sentry.io, else transaction) [default: auto].
    #[arg(long, env = "WATCHPOST_SPAN_MODE", value_name = "MODE")]
    pub(crate) span_mode: Option<Given<ChosenSpanMode>>,
    /// Who made the spans, as Sentry's `sentry.origin` [default: auto.ai.mastra].
    #[arg(long, env = "WATCHPOST_ORIGIN", value_name = "ORIGIN")]
    pub(crate) origin: Option<Given<String>>,
    /// Your project's id, for events that carry none.
    #[arg(long, env = "WATCHPOST_PROJECT_ID")]
    pub(crate) project_id: Option<Given<String>>,
    /// Redact more than the built-in rules do, as for `mcp`; repeatable. AgentCat's events only.
    #[arg(long, value_name = "RULE")]
    pub(crate) redact: Vec<String>,
    /// Print the summary as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Seconds to wait for a receiver that takes nothing, and at the end for what is still on its way.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = parse_seconds)]
    pub(crate) timeout: f64,
    /// The file, `-` for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

/// The formats `import` reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// AgentCat events, one JSON object a line, names in snake_case or camelCase.
    Agentcat,
    /// Mastra's tracing events, one JSON object a line: {"type":"span_ended","exportedSpan":{…}}.
    Mastra,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct StatusArgs {
    /// The spool's folder [default: watchpost/spool in the user's state folder].
    #[arg(long, env = "WATCHPOST_SPOOL", value_name = "DIR")]
    pub(crate) spool: Option<Given<ChosenSpool>>,
    /// The configuration file [default: watchpost.toml in this folder, if there is one].
    #[arg(long, env = "WATCHPOST_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<Given<PathBuf>>,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct FlushArgs {
    /// Sentry's Data Source Name: what was left for it is sent (project settings, "Client Keys").
    #[arg(long, env = "SENTRY_DSN", hide_env_values = true)]
    pub(crate) dsn: Option<Given<String>>,
    /// The spool's folder [default: watchpost/spool in the user's state folder].
    #[arg(long, env = "WATCHPOST_SPOOL", value_name = "DIR")]
    pub(crate) spool: Option<Given<ChosenSpool>>,
    /// The configuration file [default: watchpost.toml in this folder, if there is one].
    #[arg(long, env = "WATCHPOST_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<Given<PathBuf>>,
    /// Seconds to go on for at most.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = parse_seconds)]
    pub(crate) timeout: f64,
    /// Print the summary as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ViewArgs {
    #[command(subcommand)]
    pub(crate) action: Option<ViewAction>,
    /// The address to listen on; one that other machines reach needs --token.
    #[arg(long, value_name = "ADDR", default_value_t = local_receiver::DEFAULT_ADDRESS)]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Megabytes kept; the oldest are pruned.
    #[arg(long, value_name = "MB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) max_size: u64,
    /// Days kept; older items are pruned [default: for ever].
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u64).range(1..=36_500))]
    pub(crate) max_age: Option<u64>,
    /// Print what arrives, one line each.
    #[arg(long)]
    pub(crate) tail: bool,
    /// Ask for this token: the key of a sender's DSN, `?token=` in a browser, a bearer for programs.
    #[arg(long, env = "WATCHPOST_VIEW_TOKEN", hide_env_values = true, value_parser = parse_token)]
    pub(crate) token: Option<String>,
    /// A name under which the receiver may be called beside localhost and its addresses; repeatable.
    #[arg(long = "allow-host", value_name = "NAME")]
    pub(crate) allowed_hosts: Vec<String>,
    /// Play a fault to senders, for example 503, 429:60 or 429:60:log_item; repeatable.
    #[arg(long = "fail", value_name = "STATUS[:SECONDS[:CATEGORY;…]]")]
    pub(crate) faults: Vec<Fault>,
}

/// Which database.
#[derive(Debug, ClapArgs)]
pub(crate) struct DatabaseArgs {
    /// The database file [default: watchpost/view.db in the user's data folder].
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
}

/// What `view` does instead of receiving.
#[derive(Debug, Subcommand)]
pub(crate) enum ViewAction {
    /// Write a session and its traces to a file that `view import` reads and any receiver takes.
    Export {
        /// The session's id, or a trace's.
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        database: DatabaseArgs,
        /// The file to write, `-` for standard output.
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
    },
    /// Take in what `view export` wrote.
    Import {
        /// The file, `-` for standard input.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// End after the table instead of keeping the page open.
    #[arg(long)]
    pub(crate) once: bool,
    /// The receiver's address [default: 127.0.0.1:8969, or a free port when that is taken].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) export: ExportArgs,
    /// Send no test issue, which may alert somebody.
    #[arg(long)]
    pub(crate) no_issue: bool,
    /// Print the findings as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Seconds that each step may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, value_parser = parse_seconds)]
    pub(crate) timeout: f64,
}

fn parse_tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// A token that is hard to guess and needs no escaping in a DSN.
fn parse_token(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if is_plain && text.len() >= 16 {
        Ok(text.to_owned())
    } else {
        Err("expected at least 16 letters, digits, `-` or `_`".to_owned())
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds between 0 and 3600".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_token_is_long_and_plain() {
        assert!(parse_token("0123456789abcdef").is_ok());
        assert!(parse_token("short").is_err() && parse_token("0123456789abcdef@evil").is_err());
    }

    #[test]
    fn a_tag_needs_a_key_and_keeps_every_further_equals_sign() {
        assert_eq!(parse_tag("region=eu=1"), Ok(("region".to_owned(), "eu=1".to_owned())));
        assert!(parse_tag("=x").is_err());
        assert!(parse_tag("x").is_err());
    }

    #[test]
    fn the_servers_own_flags_are_left_to_the_server() {
        let args =
            Args::try_parse_from(["watchpost", "mcp", "--tag", "a=b", "--", "server", "--dsn", "x", "-v"]).unwrap();
        let Command::Mcp(mcp) = args.command else { panic!("not mcp") };
        assert_eq!(mcp.command, ["server", "--dsn", "x", "-v"]);
        assert_eq!(args.verbose, 0);
    }
}
