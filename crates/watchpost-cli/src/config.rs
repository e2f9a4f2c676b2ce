//! `watchpost.toml`: the same fields as the seeds' configurations, under what flags and environment say. An unknown key
//! is an error with a suggestion; nothing in a message repeats a DSN's key.
//!
//! ```toml
//! project_id = "proj_123"
//! redact = ["key:customer_*", "text:ACME-####"]
//!
//! [exporters.sentry]
//! type = "sentry"
//! dsn = "https://key@o123456.ingest.sentry.io/789"
//! environment = "production"
//! release = "1.0.0"
//! enable_tracing = true    # of MCP events
//! span_mode = "auto"       # of agents' spans
//! spool = "/var/spool/watchpost"    # or "off"
//! spool_mode = "fast"      # or "durable"
//! spool_max_bytes = 268435456
//! spool_max_age = 604800   # seconds
//! ```

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use watchpost::{
    exporter::{ExporterType, Profile, SentryConfig, SentryExporterConfig, TraceMode},
    redact::{Capture, ParseRuleError, Rule, Rules},
};
use watchpost_sentry::delivery::SpoolMode;

use crate::{
    args::{ExportArgs, ImportArgs},
    chosen::{ChosenCapture, ChosenSpanMode},
    given::{Given, Switch},
    local_receiver,
    spool::{ChosenSpool, SpoolChoice},
};

/// The file that is read when none is named and it exists.
const DEFAULT_FILE: &str = "watchpost.toml";
/// No sensible configuration is larger; a wrong `--config` must not fill the memory.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Redaction rules at most: each is looked for in every string.
const MAX_RULES: usize = 64;

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file can't be read.
    #[error("can't read the configuration file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is too large.
    #[error("the configuration file {} is larger than {MAX_FILE_BYTES} bytes; is it the right file?", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file says something wrong.
    #[error("{}{}: {message}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: Option<usize>,
        /// What is wrong and what to do.
        message: String,
    },
    /// A redaction rule of the command line can't be read.
    #[error("--redact number {number}: {source}")]
    Redact {
        /// Which, from 1: the rule itself may be a secret.
        number: usize,
        /// Why.
        source: ParseRuleError,
    },
    /// There are too many redaction rules.
    #[error("{count} redaction rules are more than the {MAX_RULES} that are allowed: use wildcards")]
    ManyRules {
        /// How many.
        count: usize,
    },
    /// More than one exporter is configured.
    #[error("{}: {count} exporters are configured ({names}); this command sends to one: keep one", path.display())]
    ManyExporters {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
        /// Their names.
        names: String,
    },
}

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    project_id: Option<String>,
    #[serde(default)]
    redact: Vec<Rule>,
    #[serde(default)]
    exporters: BTreeMap<String, ExporterTable>,
}

/// An exporter's table: the fields of both exporters, so that one table serves MCP events and agents' spans.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExporterTable {
    #[serde(rename = "type")]
    exporter: Option<ExporterType>,
    dsn: Option<String>,
    environment: Option<String>,
    release: Option<String>,
    #[serde(alias = "enableTracing")]
    enable_tracing: Option<bool>,
    #[serde(alias = "tracesSampleRate")]
    traces_sample_rate: Option<f64>,
    profile: Option<Profile>,
    trace: Option<TraceMode>,
    capture: Option<ChosenCapture>,
    #[serde(alias = "spanMode")]
    span_mode: Option<ChosenSpanMode>,
    origin: Option<String>,
    #[serde(alias = "maxOpenSpans")]
    max_open_spans: Option<usize>,
    #[serde(alias = "maxOpenBytes")]
    max_open_bytes: Option<usize>,
    /// In seconds.
    #[serde(alias = "openSpanTtl")]
    open_span_ttl: Option<u32>,
    #[serde(alias = "maxQueueBytes")]
    max_queue_bytes: Option<usize>,
    spool: Option<ChosenSpool>,
    #[serde(alias = "spoolMode")]
    spool_mode: Option<SpoolMode>,
    #[serde(alias = "spoolMaxBytes")]
    spool_max_bytes: Option<u64>,
    /// In seconds.
    #[serde(alias = "spoolMaxAge")]
    spool_max_age: Option<u32>,
}

/// What to export with, once flags, environment and file are taken together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// The configuration of the exporter of MCP events; both exporters have its DSN, environment, release and sample rate.
    pub(crate) sentry: SentryConfig,
    /// What only the exporter of agents' spans has.
    spans: SentryExporterConfig,
    /// The content to report; `sentry` has it with MCP's meaning of `seed`.
    capture: Option<ChosenCapture>,
    /// Whether tracing was decided by the user (the local receiver turns it on by default).
    pub(crate) tracing_chosen: bool,
    /// Where what Sentry has not taken yet is kept.
    pub(crate) spool: SpoolChoice,
    /// The project's id from the file.
    pub(crate) project_id: Option<String>,
    /// The user's own redaction of MCP events.
    pub(crate) redact: Rules,
}

impl Settings {
    /// Takes flags and environment (already merged by the command line's parser) over the file over the defaults.
    pub(crate) fn resolve(args: &ExportArgs) -> Result<Self, ConfigError> {
        let mut settings = Self::default();
        if let Some(path) = Given::of(&args.config) {
            settings.take_file(&path)?;
        } else if Path::new(DEFAULT_FILE).is_file() {
            settings.take_file(Path::new(DEFAULT_FILE))?;
            let sentry = &settings.sentry;
            if sentry.dsn.is_some() && Given::of(&args.dsn).is_none() {
                // The folder may be anybody's: a host starts its servers in whatever project is open.
                tracing::warn!("telemetry goes to the DSN in this folder's {DEFAULT_FILE}");
            }
            if matches!(settings.spool.place, Some(ChosenSpool::Folder(_))) && Given::of(&args.spool).is_none() {
                tracing::warn!("telemetry is kept in the folder that this folder's {DEFAULT_FILE} names");
            }
            if sentry.capture.is_some_and(|capture| capture != Capture::NONE && capture != Capture::SEED)
                && Given::of(&args.capture).is_none()
            {
                tracing::warn!("what content is captured is decided by this folder's {DEFAULT_FILE}");
            }
        }
        let sentry = &mut settings.sentry;
        override_with(&mut sentry.dsn, Given::of(&args.dsn));
        override_with(&mut sentry.environment, Given::of(&args.environment));
        override_with(&mut sentry.release, Given::of(&args.release));
        override_with(&mut sentry.traces_sample_rate, Given::of(&args.traces_sample_rate));
        override_with(&mut settings.capture, Given::of(&args.capture));
        sentry.capture = settings.capture.map(|chosen| chosen.or_seed(Capture::SEED));
        override_with(&mut sentry.trace, Given::of(&args.trace));
        override_with(&mut sentry.enable_tracing, Given::of(&args.enable_tracing).map(|Switch(on)| on));
        settings.tracing_chosen = settings.sentry.enable_tracing.is_some();
        override_with(&mut settings.spool.place, Given::of(&args.spool));
        if settings.sentry.dsn.is_some() {
            settings.sentry.spool = settings.spool.config();
        }
        Ok(settings)
    }

    fn take_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let file = read(path)?;
        self.project_id = file.project_id;
        self.redact = file.redact.into_iter().collect();
        if file.exporters.len() > 1 {
            let names = file.exporters.keys().cloned().collect::<Vec<_>>().join(", ");
            return Err(ConfigError::ManyExporters { path: path.to_owned(), count: file.exporters.len(), names });
        }
        if let Some((_, table)) = file.exporters.into_iter().next() {
            self.take_table(table);
        }
        Ok(())
    }

    fn take_table(&mut self, table: ExporterTable) {
        let sentry = &mut self.sentry;
        sentry.exporter = table.exporter;
        sentry.dsn = table.dsn;
        sentry.environment = table.environment;
        sentry.release = table.release;
        sentry.enable_tracing = table.enable_tracing;
        sentry.traces_sample_rate = table.traces_sample_rate;
        sentry.profile = table.profile;
        sentry.trace = table.trace;
        sentry.capture = table.capture.map(|chosen| chosen.or_seed(Capture::SEED));
        self.capture = table.capture;
        let spans = &mut self.spans;
        spans.span_mode = table.span_mode.and_then(|ChosenSpanMode(mode)| mode);
        spans.origin = table.origin;
        spans.max_open_spans = table.max_open_spans;
        spans.max_open_bytes = table.max_open_bytes;
        spans.open_span_ttl = table.open_span_ttl.map(|seconds| Duration::from_secs(seconds.into()));
        spans.max_queue_bytes = table.max_queue_bytes;
        self.spool = SpoolChoice {
            place: table.spool,
            mode: table.spool_mode,
            max_bytes: table.spool_max_bytes,
            max_age: table.spool_max_age.map(|seconds| Duration::from_secs(seconds.into())),
        };
    }

    /// Adds the redaction rules of the command line to the file's.
    pub(crate) fn add_rules(&mut self, given: &[String]) -> Result<(), ConfigError> {
        let count = self.redact.len() + given.len();
        if count > MAX_RULES {
            return Err(ConfigError::ManyRules { count });
        }
        for (index, rule) in given.iter().enumerate() {
            let rule = rule.parse::<Rule>().map_err(|source| ConfigError::Redact { number: index + 1, source })?;
            self.redact.extend([rule]);
        }
        Ok(())
    }

    /// Takes what only `import` is told.
    pub(crate) fn take_import(&mut self, args: &ImportArgs) -> Result<(), ConfigError> {
        self.add_rules(&args.redact)?;
        override_with(&mut self.project_id, Given::of(&args.project_id));
        override_with(&mut self.spans.origin, Given::of(&args.origin));
        if let Some(ChosenSpanMode(mode)) = Given::of(&args.span_mode) {
            self.spans.span_mode = mode;
        }
        Ok(())
    }

    /// The content of agents' spans to report.
    pub(crate) fn spans_capture(&self) -> Capture {
        self.capture.map_or(Capture::ALL, |chosen| chosen.or_seed(Capture::ALL))
    }

    /// The configuration of the exporter of agents' spans.
    pub(crate) fn span_exporter(self) -> SentryExporterConfig {
        let capture = self.capture.map(|chosen| chosen.or_seed(Capture::ALL));
        let mut config = self.spans;
        config.dsn = self.sentry.dsn;
        config.environment = self.sentry.environment;
        config.release = self.sentry.release;
        config.spool = self.sentry.spool;
        config.traces_sample_rate = self.sentry.traces_sample_rate;
        config.capture = capture;
        config.redact = self.redact;
        config
    }

    /// Sends to the receiver at `address`, without a spool (what nobody looks at need not be kept), with tracing unless the user decided otherwise.
    pub(crate) fn use_local_receiver(&mut self, address: SocketAddr) {
        self.sentry.dsn = Some(local_receiver::dsn(address));
        self.sentry.spool = None;
        if !self.tracing_chosen {
            self.sentry.enable_tracing = Some(true);
        }
    }
}

fn override_with<T>(field: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *field = value;
    }
}

fn read(path: &Path) -> Result<File, ConfigError> {
    let unreadable = |source| ConfigError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(unreadable)?.len() > MAX_FILE_BYTES {
        return Err(ConfigError::TooLarge { path: path.to_owned() });
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    parse(&text, path)
}

fn parse(text: &str, path: &Path) -> Result<File, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::Content {
        path: path.to_owned(),
        line: error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1),
        message: with_suggestion(&without_values(error.message())),
    })
}

/// Takes out what the file says where the message quotes it: it may be a DSN in the wrong place.
fn without_values(message: &str) -> String {
    let mut clean = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find(['"', '`']) {
        let quote = &rest[start..=start];
        let value = &rest[start + 1..];
        // A string's own quotes are escaped; the last quote of its kind ends it.
        let end = if quote == "\"" { value.rfind('"') } else { value.find('`') };
        let Some(end) = end else { break };
        let is_name = quote == "`"
            && value[..end].chars().all(|character| character.is_alphanumeric() || "_-".contains(character));
        clean.push_str(&rest[..=start]);
        clean.push_str(if is_name { &value[..end] } else { "…" });
        clean.push_str(quote);
        rest = &value[end + 1..];
    }
    clean.push_str(rest);
    clean
}

/// Adds "did you mean" to serde's "unknown field `dns`, expected one of `dsn`, …".
fn with_suggestion(message: &str) -> String {
    let mut names = message.split('`').skip(1).step_by(2);
    let (Some(wrong), true) = (names.next(), message.starts_with("unknown ")) else { return message.to_owned() };
    let nearest = names
        .map(|name| (strsim::normalized_damerau_levenshtein(wrong, name), name))
        .filter(|(likeness, _)| *likeness > 0.5)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match nearest {
        Some((_, name)) => format!("{message}; did you mean `{name}`?"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use watchpost::mapping::ai::SpanMode;
    use watchpost_sentry::delivery::SpoolConfig;

    use super::*;

    fn message(text: &str) -> String {
        parse(text, Path::new("watchpost.toml")).unwrap_err().to_string()
    }

    #[test]
    fn the_seeds_configuration_is_read_field_by_field() {
        let file = parse(
            "[exporters.sentry]\ntype = \"sentry\"\ndsn = \"https://key@o123456.ingest.sentry.io/789\"\n\
             environment = \"production\"\nrelease = \"1.0.0\"\nenable_tracing = true\n",
            Path::new("watchpost.toml"),
        )
        .unwrap();
        let sentry = &file.exporters["sentry"];
        assert_eq!(sentry.dsn.as_deref(), Some("https://key@o123456.ingest.sentry.io/789"));
        assert_eq!(sentry.environment.as_deref(), Some("production"));
        assert_eq!(sentry.release.as_deref(), Some("1.0.0"));
        assert_eq!(sentry.enable_tracing, Some(true));
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_its_line_and_a_likely_key() {
        let message = message("[exporters.sentry]\ntype = \"sentry\"\ndns = \"https://secretkey@example.com/1\"\n");
        assert!(message.starts_with("watchpost.toml, line 3: unknown field `dns`"), "{message}");
        assert!(message.ends_with("did you mean `dsn`?"), "{message}");
        assert!(!message.contains("secretkey"), "{message}");
    }

    #[test]
    fn a_dsn_in_the_wrong_place_is_not_echoed() {
        for text in [
            "[exporters]\nsentry = \"https://topsecretkey@o1.ingest.sentry.io/1\"\n",
            "[exporters.s]\ntype = \"https://topsecretkey@o1.ingest.sentry.io/1\"\n",
            "[exporters.s]\nenable_tracing = \"https://topsecretkey@o1.ingest.sentry.io/1\"\n",
            "[exporters.s]\n\"https://topsecretkey@o1.ingest.sentry.io/1\" = 1\n",
            "[exporters.s]\ndsn = https://topsecretkey@o1.ingest.sentry.io/1\n",
        ] {
            let message = message(text);
            assert!(!message.contains("topsecretkey"), "{message}");
            assert!(message.contains("line 2"), "{message}");
        }
    }

    #[test]
    fn an_unknown_exporter_type_is_an_error() {
        assert!(message("[exporters.x]\ntype = \"datadog\"\n").contains("datadog"));
    }

    #[test]
    fn broken_toml_names_its_line() {
        assert!(message("a = 1\nb = = 2\n").contains("line 2"));
    }

    #[test]
    fn one_table_serves_both_exporters_in_either_spelling() {
        for text in [
            "[exporters.s]\nspan_mode = \"stream\"\norigin = \"auto.ai.mine\"\ncapture = \"seed\"\ntraces_sample_rate = 0.5\nopen_span_ttl = 60\n",
            "[exporters.s]\nspanMode = \"stream\"\norigin = \"auto.ai.mine\"\ncapture = \"seed\"\ntracesSampleRate = 0.5\nopenSpanTtl = 60\n",
        ] {
            let mut settings = Settings::default();
            let table = parse(text, Path::new("w.toml")).unwrap().exporters.into_values().next().unwrap();
            settings.take_table(table);
            assert_eq!(settings.sentry.capture, Some(Capture::SEED));
            let spans = settings.span_exporter();
            assert_eq!((spans.span_mode, spans.origin.as_deref()), (Some(SpanMode::Stream), Some("auto.ai.mine")));
            assert_eq!((spans.capture, spans.traces_sample_rate), (Some(Capture::ALL), Some(0.5)));
            assert_eq!(spans.open_span_ttl, Some(Duration::from_secs(60)));
        }
        assert!(message("[exporters.s]\nspan_mode = \"both\"\n").contains("auto, transaction, hybrid or stream"));
    }

    #[test]
    fn a_spool_is_there_with_a_dsn_only_and_as_flag_and_file_say() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.toml");
        let resolve = |text: &str, dsn: &str, spool: &str| {
            fs::write(&path, format!("[exporters.s]\n{text}")).unwrap();
            let args = ExportArgs {
                dsn: Some(dsn.parse().unwrap()),
                spool: Some(spool.parse().unwrap()),
                config: Some(path.to_str().unwrap().parse().unwrap()),
                ..ExportArgs::default()
            };
            Settings::resolve(&args).unwrap().sentry.spool
        };
        let dsn = "https://a@h/1";
        let bounds = "spool_mode = \"durable\"\nspool_max_bytes = 5\nspoolMaxAge = 60\n";
        let expected = SpoolConfig::new("/given").with_mode(SpoolMode::Durable).with_max_bytes(5);
        assert_eq!(resolve(bounds, dsn, "/given"), Some(expected.with_max_age(Duration::from_secs(60))));
        assert_eq!(resolve("spool = \"/named\"\n", dsn, ""), Some(SpoolConfig::new("/named")));
        assert_eq!(resolve("spool = \"/named\"\n", dsn, "off"), None);
        assert_eq!(resolve("spool = \"off\"\n", dsn, ""), None);
        assert_eq!(resolve("", "", "/given"), None, "the local receiver has none");
        assert!(message("[exporters.s]\nspool_mode = \"slow\"\n").contains("expected `fast` or `durable`"));
    }

    #[test]
    fn flags_win_over_the_file_and_an_empty_value_counts_as_not_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.toml");
        fs::write(&path, "[exporters.s]\ntype=\"sentry\"\ndsn=\"https://a@h/1\"\nrelease=\"1\"\n").unwrap();
        let args = ExportArgs {
            dsn: Some("".parse().unwrap()),
            release: Some("2".parse().unwrap()),
            config: Some(path.to_str().unwrap().parse().unwrap()),
            ..ExportArgs::default()
        };
        let settings = Settings::resolve(&args).unwrap();
        assert_eq!(settings.sentry.dsn.as_deref(), Some("https://a@h/1"));
        assert_eq!(settings.sentry.release.as_deref(), Some("2"));
        assert!(!settings.tracing_chosen);
    }
}
