//! `watchpost view`: the local receiver and its page, until interrupted; `view export` and `view import` (`file`).

mod file;

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};
use watchpost_receiver::{Receiver, ReceiverConfig, Subscription, tail};

use crate::{
    args::{DatabaseArgs, ViewAction, ViewArgs},
    failure::Failure,
};

/// Serves until SIGINT or SIGTERM, or exports or imports a session.
pub(crate) fn run(args: &ViewArgs) -> Result<ExitCode, Failure> {
    match &args.action {
        Some(ViewAction::Export { id, database, output }) => file::export(id, &path(database)?, output),
        Some(ViewAction::Import { file, database }) => file::import(file, path(database)?),
        None => serve(args),
    }
}

fn serve(args: &ViewArgs) -> Result<ExitCode, Failure> {
    let database = path(&args.database)?;
    let mut config = ReceiverConfig::default()
        .with_address(args.listen)
        .with_file(&database)
        .with_max_bytes(args.max_size.saturating_mul(1024 * 1024));
    config.max_age = args.max_age.map(|days| Duration::from_secs(days.saturating_mul(24 * 60 * 60)));
    config.token.clone_from(&args.token);
    config.allowed_hosts.clone_from(&args.allowed_hosts);
    config.faults.clone_from(&args.faults);
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::Signals)?;
    let receiver = Receiver::bind(config)?.start()?;
    let banner = format!(
        "Watchpost receives on {url}\n  page      {url}\n  DSN       {dsn}\n  database  {database}\nCtrl-C ends it.",
        url = receiver.url(),
        dsn = receiver.dsn(),
        database = database.display(),
    );
    // Nobody reads it when standard error is closed; the receiver works all the same.
    let _ = writeln!(io::stderr(), "{banner}");
    if args.tail {
        let items = receiver.subscribe();
        // Ends with the subscription, or with the process.
        std::thread::Builder::new()
            .name("watchpost-tail".to_owned())
            .spawn(move || print_items(items))
            .map_err(Failure::Output)?;
    }
    signals.forever().next();
    receiver.stop();
    Ok(ExitCode::SUCCESS)
}

fn print_items(mut items: Subscription) {
    let mut out = io::stdout();
    let color = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
    while let Some(item) = items.recv() {
        // A closed pipe (`watchpost view --tail | head`) ends the tail, not the receiver.
        if writeln!(out, "{}", tail::format_item(&item, color)).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// The database's file: the one named, else the default.
fn path(args: &DatabaseArgs) -> Result<PathBuf, Failure> {
    args.db.clone().map_or_else(default_database, Ok)
}

/// `$XDG_DATA_HOME/watchpost/view.db`, else `~/.local/share/watchpost/view.db`; its folder is made, readable to the user
/// alone.
fn default_database() -> Result<PathBuf, Failure> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .ok_or(Failure::NoDataFolder)?;
    let folder = data.join("watchpost");
    let made = || {
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)
    };
    made().map_err(|source| Failure::DataFolder { path: folder.clone(), source })?;
    Ok(folder.join("view.db"))
}
