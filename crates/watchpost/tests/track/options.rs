//! Options by builder, from text, and what is wrong with them.

use serde_json::json;
use watchpost::{
    exporter::SentryConfig,
    mcp::{Options, TrackError, track},
};

use crate::server::TestServer;

fn from_toml(text: &str) -> Result<Options, String> {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

#[test]
fn the_seeds_configuration_is_read_in_its_spellings() {
    let config = json!({"type": "sentry", "dsn": "https://key@o123456.ingest.sentry.io/789",
        "environment": "production", "release": "1.0.0", "enableTracing": true});
    let options: Options =
        serde_json::from_value(json!({"exporters": {"sentry": config}, "enableToolCallContext": true})).unwrap();
    assert!(track(TestServer::default(), None, options).is_ok());
    let options = from_toml(
        "enable_report_missing = true\nevents = \"ping\"\n[exporters.sentry]\ntype = \"sentry\"\n\
         dsn = \"https://key@o123456.ingest.sentry.io/789\"\nenable_tracing = true\n",
    );
    assert!(track(TestServer::default(), None, options.unwrap()).is_ok());
}

#[test]
fn unknown_keys_and_exporters_are_errors() {
    for (text, message) in [
        ("enable_contxt = true", "unknown field `enable_contxt`"),
        ("[exporters.a]\ntype = \"otlp\"", "unknown variant `otlp`, expected `sentry`"),
        ("[exporters.a]\ndns = \"x\"", "unknown field `dns`"),
        ("events = \"pings\"", "there are no events called `pings`"),
    ] {
        let error = from_toml(text).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn a_wrong_exporter_is_an_error_at_track() {
    let wrong = |config: SentryConfig| {
        track(TestServer::default(), None, Options::default().exporter("mine", config)).unwrap_err()
    };
    let error = wrong(SentryConfig::default().with_dsn("https://host/1"));
    assert!(error.to_string().starts_with("exporter `mine`: the DSN can't be used"), "{error}");
    let error = wrong(SentryConfig::default());
    assert!(matches!(error, TrackError::Exporter { .. }), "{error}");
    assert!(track(TestServer::default(), None, Options::default()).is_ok(), "without an exporter nothing is sent");
}
