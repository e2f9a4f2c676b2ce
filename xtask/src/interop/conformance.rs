//! MCP's own conformance suite, in both of its revisions, against a server made with rmcp: scenario by scenario and check by check
//! the same tracked and not. The suite is the official one; the server, `conformance_server` among the library's examples, has what
//! the suite's descriptions ask for.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::Path,
    process::Command,
    time::Duration,
};

use serde::Deserialize;

use super::{
    capture::Capture,
    findings::Findings,
    http_server::HttpServer,
    install::Kit,
    peers::KEY,
    process,
    rig::Rig,
    sink::{Answer, Sink},
};
use crate::Failure;

/// The revisions whose scenarios are run, and how many there are at the pinned version.
const REVISIONS: [(&str, usize); 2] = [("2025-11-25", 33), ("2026-07-28", 40)];
/// A run takes a few seconds; each of its scenarios may take 30.
const LIMIT: Duration = Duration::from_secs(300);
/// The suite calls more tools than these.
const LEAST_TOOLS: usize = 20;

/// How long the moment is that a folder's name ends with: `-2026-07-28T12-00-00-000Z`.
const TIME: usize = 25;

/// One check of a scenario.
#[derive(Deserialize)]
struct Check {
    id: String,
    status: String,
    #[serde(default, rename = "errorMessage")]
    error: Option<String>,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.status)?;
        self.error.iter().try_for_each(|error| write!(f, " ({error})"))
    }
}

/// The checks of each scenario.
type Results = BTreeMap<String, Vec<Check>>;

pub(super) fn check(rig: &Rig, findings: &mut Findings) -> Result<String, Failure> {
    rig.build_examples()?;
    let (mut scenarios, mut checks) = (0, 0);
    let mut tools = BTreeSet::new();
    for (revision, expected) in REVISIONS {
        let untracked = run(rig, revision, "untracked", None)?.0;
        let sink = Sink::start(Answer::Accept)?;
        let (tracked, said) = run(rig, revision, "tracked", Some(sink.dsn(KEY)))?;
        findings.expect(untracked.len() == expected, || {
            format!("{revision}: {} scenarios were run, there are {expected}", untracked.len())
        });
        for (scenario, checks) in &untracked {
            for check in checks.iter().filter(|check| check.status == "FAILURE") {
                findings.add(format!("{revision} {scenario}, untracked: {check}"));
            }
        }
        compare(revision, &untracked, &tracked, findings);
        findings.expect(said.contains(" 0 held, 0 dropped"), || format!("{revision}: not all was sent: {said}"));
        let capture = Capture::read(sink.requests());
        tools.extend(capture.logs().filter_map(|log| {
            Some(log["body"].as_str()?.strip_prefix("MCP tools/call: ")?.split(' ').next()?.to_owned())
        }));
        scenarios += tracked.len();
        checks += tracked.values().map(Vec::len).sum::<usize>();
    }
    findings.expect(tools.len() >= LEAST_TOOLS, || format!("calls of {} tools were reported: {tools:?}", tools.len()));
    Ok(format!(
        "{scenarios} scenarios of 2 revisions, {checks} checks alike tracked and not; {} tools reported",
        tools.len()
    ))
}

/// Runs a revision's scenarios; the results, and what the server said at its end.
fn run(rig: &Rig, revision: &str, mode: &str, dsn: Option<String>) -> Result<(Results, String), Failure> {
    let name = format!("conformance-{revision}-{mode}");
    let mut command = rig.quiet(rig.example("conformance_server"));
    command.arg("127.0.0.1:0");
    let mut server = HttpServer::start(rig, &name, command, dsn)?;
    let folder = rig.runs().join(&name);
    let mut suite: Command = rig.quiet(rig.node_22()?);
    suite.arg(rig.kit(Kit::Conformance).join("node_modules/@modelcontextprotocol/conformance/dist/index.js"));
    suite.args(["server", "--suite", "all", "--spec-version", revision, "--url", server.url(), "-o"]).arg(&folder);
    // It fails when a scenario does; which, the results say.
    process::run(&name, &mut suite, LIMIT, &folder.with_extension("suite"))?;
    let said = server.stop()?;
    Ok((read(&folder)?, said))
}

/// The results in a folder, which has one for each scenario: `server-SCENARIO-TIME/checks.json`.
fn read(folder: &Path) -> Result<Results, Failure> {
    let mut results = Results::new();
    let entries = fs::read_dir(folder).map_err(|error| format!("the suite left no {}: {error}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let scenario = name.strip_prefix("server-").and_then(|name| name.get(..name.len().checked_sub(TIME)?));
        let Some(scenario) = scenario else { continue };
        let checks = fs::read(entry.path().join("checks.json"))?;
        results.insert(scenario.to_owned(), serde_json::from_slice(&checks)?);
    }
    Ok(results)
}

fn compare(revision: &str, untracked: &Results, tracked: &Results, findings: &mut Findings) {
    let scenarios: BTreeSet<&String> = untracked.keys().chain(tracked.keys()).collect();
    for scenario in scenarios {
        // What a check says of itself may name moments and ids.
        let ends = |results: &Results| -> Option<Vec<(String, String)>> {
            Some(results.get(scenario)?.iter().map(|check| (check.id.clone(), check.status.clone())).collect())
        };
        findings.expect(ends(untracked) == ends(tracked), || {
            let told = |results: &Results| -> Vec<String> {
                results.get(scenario).into_iter().flatten().map(Check::to_string).collect()
            };
            let (before, after) = (told(untracked).join("; "), told(tracked).join("; "));
            format!("{revision} {scenario}: untracked {before}, tracked {after}")
        });
    }
}
