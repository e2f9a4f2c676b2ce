//! A real Bugsink server (Django, SQLite) on loopback with an empty database: started, asked by its API, ended.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    Failure,
    interop::{
        http,
        install::Kit,
        process::{self, Running},
        rig::Rig,
    },
};

/// Making the database takes a quarter of a minute, starting two seconds.
const PREPARE_LIMIT: Duration = Duration::from_secs(180);
const START_LIMIT: Duration = Duration::from_secs(60);
/// Strict: an event that breaks Sentry's published schema is refused. No statistics leave the machine.
const SETTINGS: &str = "
BUGSINK[\"PHONEHOME\"] = False
BUGSINK[\"VALIDATE_ON_DIGEST\"] = \"strict\"
";
const API: &str = "/api/canonical/0";

/// A running server; it ends when dropped.
pub(super) struct Bugsink {
    process: Running,
    address: SocketAddr,
    token: String,
}

impl Bugsink {
    /// Starts it with a copy of a database that was made once for this installation.
    pub(super) fn start(rig: &Rig) -> Result<Self, Failure> {
        let template = prepare(rig)?;
        let folder = rig.runs().join("bugsink");
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&template)? {
            let entry = entry?;
            fs::copy(entry.path(), folder.join(entry.file_name()))?;
        }
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let settings = folder.join("bugsink_conf.py");
        let own = format!("{}BUGSINK[\"BASE_URL\"] = \"http://{address}\"\n", fs::read_to_string(&settings)?);
        fs::write(&settings, own)?;
        let mut gunicorn = program(rig, "gunicorn", &folder);
        gunicorn.args([
            "--workers",
            "1",
            "--threads",
            "4",
            "--no-control-socket",
            "--bind",
            &address.to_string(),
            "bugsink.wsgi",
        ]);
        let process = Running::start("bugsink", gunicorn.stdin(Stdio::null()), &rig.runs().join("bugsink-server"))?;
        let token = fs::read_to_string(folder.join("token"))?.trim().to_owned();
        let mut server = Self { process, address, token };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Makes a project and returns its DSN.
    pub(super) fn create_project(&self) -> Result<String, Failure> {
        let team = self.post("/teams/", &json!({ "name": "interop" }))?;
        let project = self.post("/projects/", &json!({ "name": "interop", "team": team["id"] }))?;
        let project = match project["id"].as_i64() {
            Some(id) => id,
            // Its answer to the creation does not say.
            None => self.get("/projects/")?["results"][0]["id"].as_i64().ok_or("Bugsink names no project")?,
        };
        let dsn = self.get(&format!("/projects/{project}/"))?["dsn"].as_str().map(str::to_owned);
        dsn.ok_or_else(|| "Bugsink names no DSN".into())
    }

    /// Every issue of the only project, with what it was made of: `(issue, its events)`.
    pub(super) fn issues(&self) -> Result<Vec<(Value, Vec<Value>)>, Failure> {
        let listed = self.get("/issues/?project=1")?;
        let issues = listed["results"].as_array().cloned().unwrap_or_default();
        issues.into_iter().map(|issue| Ok((issue.clone(), self.events(&issue)?))).collect()
    }

    fn events(&self, issue: &Value) -> Result<Vec<Value>, Failure> {
        let id = issue["id"].as_str().ok_or("an issue has no id")?;
        let listed = self.get(&format!("/events/?issue={id}"))?;
        let ids: Vec<&str> =
            listed["results"].as_array().into_iter().flatten().filter_map(|event| event["id"].as_str()).collect();
        ids.into_iter().map(|id| self.get(&format!("/events/{id}/"))).collect()
    }

    /// Posts an envelope as a client would, and returns the status.
    pub(super) fn post_envelope(&self, key: &str, envelope: &[u8]) -> Result<u16, Failure> {
        let auth = format!("x-sentry-auth: Sentry sentry_version=7, sentry_client=xtask/0, sentry_key={key}");
        let headers = ["content-type: application/x-sentry-envelope".to_owned(), auth];
        Ok(http::request(self.address, "POST", "/api/1/envelope/", &headers, envelope)?.0)
    }

    /// What the server said so far.
    pub(super) fn log(&self) -> String {
        self.process.stderr() + &String::from_utf8_lossy(&self.process.stdout().unwrap_or_default())
    }

    fn wait_until_ready(&mut self) -> Result<(), Failure> {
        let started = Instant::now();
        loop {
            if http::request(self.address, "GET", "/health/ready", &[], b"").is_ok_and(|(status, _)| status == 200) {
                return Ok(());
            }
            if self.process.ended()? || started.elapsed() > START_LIMIT {
                return Err(format!("Bugsink does not start{}", process::last_words(&self.log())).into());
            }
            thread::sleep(process::POLL);
        }
    }

    fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call("GET", path, b"")
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call("POST", path, body.to_string().as_bytes())
    }

    fn call(&self, method: &str, path: &str, body: &[u8]) -> Result<Value, Failure> {
        let headers = [format!("authorization: Bearer {}", self.token), "content-type: application/json".to_owned()];
        let (status, answer) = http::request(self.address, method, &format!("{API}{path}"), &headers, body)?;
        if !(200..300).contains(&status) {
            return Err(
                format!("Bugsink answers {status} to {method} {path}: {}", String::from_utf8_lossy(&answer)).into()
            );
        }
        Ok(serde_json::from_slice(&answer)?)
    }
}

/// The folder with an empty database, the settings and a token for the API.
fn prepare(rig: &Rig) -> Result<PathBuf, Failure> {
    let template = rig.kit(Kit::Bugsink).join("empty-server");
    if template.join("token").is_file() {
        return Ok(template);
    }
    fs::create_dir_all(&template)?;
    let _ = fs::remove_file(template.join("bugsink_conf.py"));
    let run = |name: &str, arguments: &[&str]| {
        let mut command = program(rig, name, &template);
        process::run_well(name, command.args(arguments), PREPARE_LIMIT, &rig.runs().join("bugsink-prepare"))
    };
    run("bugsink-create-conf", &["--template=local", "--host=127.0.0.1"])?;
    let settings = template.join("bugsink_conf.py");
    fs::write(&settings, fs::read_to_string(&settings)? + SETTINGS)?;
    run("bugsink-manage", &["migrate"])?;
    run("bugsink-manage", &["migrate", "snappea", "--database=snappea"])?;
    let token = String::from_utf8(run("bugsink-manage", &["create_auth_token"])?.stdout)?;
    // Written last: without it the folder is made anew.
    fs::write(template.join("token"), token.lines().last().unwrap_or_default())?;
    Ok(template)
}

fn program(rig: &Rig, name: &str, folder: &Path) -> Command {
    let mut command = rig.quiet(rig.kit(Kit::Bugsink).join("bin").join(name));
    command.current_dir(folder);
    command
}
