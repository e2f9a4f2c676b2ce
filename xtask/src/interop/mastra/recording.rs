//! The application's run, once: its events in a file, and what Mastra's own exporter sent for them in the same process.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use serde_json::Value;

use super::known::Forest;
use crate::{
    Failure,
    interop::{
        capture::Capture,
        install::Kit,
        peers::KEY,
        process,
        rig::Rig,
        sink::{Answer, Sink},
    },
};

/// The run takes two seconds, on a busy machine ten.
const RUN_LIMIT: Duration = Duration::from_secs(60);
const IMPORT_LIMIT: Duration = Duration::from_secs(30);

/// See the module.
pub(in crate::interop) struct Recording {
    events: PathBuf,
    pub(super) forest: Forest,
    pub(super) reference: Capture,
}

impl Recording {
    /// Runs the application.
    pub(in crate::interop) fn make(rig: &Rig) -> Result<Self, Failure> {
        let sink = Sink::start(Answer::Accept)?;
        let events = rig.runs().join("mastra.events.jsonl");
        let mut app = rig.quiet("node");
        app.arg("--import").arg(rig.script("loopback.mjs")).arg(rig.kit(Kit::Mastra).join("app.mjs"));
        app.arg(&events).arg(sink.dsn(KEY)).env("MASTRA_TELEMETRY_DISABLED", "1");
        process::run_well("the Mastra application", &mut app, RUN_LIMIT, &rig.runs().join("mastra"))?;
        let forest = Forest::read(&fs::read_to_string(&events)?)?;
        Ok(Self { events, forest, reference: Capture::read(sink.requests()) })
    }

    /// Pipes the events into `watchpost import -`; what it says of them.
    pub(super) fn import(&self, rig: &Rig, mode: &str, dsn: &str) -> Result<Value, Failure> {
        let mut import = rig.watchpost();
        import.args(["import", "--format", "mastra", "--span-mode", mode, "--dsn", dsn]);
        import.args(["--environment", "interop", "--release", "shop@1.2.3", "--json", "-"]);
        let log = rig.runs().join(format!("mastra-{mode}"));
        let finished =
            process::Running::start("watchpost import", import.stdin(Stdio::from(File::open(&self.events)?)), &log)?
                .finish(IMPORT_LIMIT)?;
        if !finished.status.success() {
            let words = process::last_words(&finished.stderr);
            return Err(format!("watchpost import --span-mode {mode} ended with {}{words}", finished.status).into());
        }
        Ok(serde_json::from_slice(&finished.stdout)?)
    }

    /// How many events there are.
    pub(super) fn lines(&self) -> Result<usize, Failure> {
        Ok(fs::read_to_string(&self.events)?.lines().count())
    }
}
