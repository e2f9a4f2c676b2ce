//! Both exporters with a spool: what one could not send the next one sends, and who exports nothing touches nothing.

use std::{fs, net::TcpListener, path::Path};

use watchpost::{
    exporter::{McpExporter, SentryConfig, SentryExporter, SentryExporterConfig},
    model::{ErrorInfo, McpEvent},
};
use watchpost_sentry::delivery::{SpoolConfig, SpoolReport};

use crate::support::*;

/// Long enough to fail, and for the thread to end.
const SHORT: std::time::Duration = std::time::Duration::from_millis(300);

fn dsn(listener: &TcpListener) -> String {
    format!("http://0123abc@{}/42", listener.local_addr().unwrap())
}

fn held(folder: &Path) -> u64 {
    SpoolReport::read(folder).unwrap().destinations.iter().map(|destination| destination.outcome.held()).sum()
}

#[test]
fn traces_that_could_not_be_sent_are_sent_by_the_next_exporter() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, dsn) = (nobody.local_addr().unwrap(), dsn(&nobody));
    drop(nobody);
    let config = || SentryExporterConfig::default().with_dsn(&dsn).with_spool(SpoolConfig::new(folder.path()));
    let first = SentryExporter::new(config()).unwrap();
    nest(&first, &agent_trace());
    let outcome = first.shutdown_within(SHORT);
    assert!(!outcome.complete && outcome.held() > 0 && outcome.dropped() == 0, "{outcome}");
    assert_eq!(held(folder.path()), outcome.held());

    let sink = Sink::listen(TcpListener::bind(address).unwrap());
    let next = SentryExporter::new(config()).unwrap();
    let outcome = next.shutdown_within(PATIENCE);
    assert_eq!((outcome.recovered, outcome.sent(), outcome.complete), (outcome.accepted(), outcome.recovered, true));
    assert_eq!(sink.spans().len(), 4);
    let trace = sink.items("transaction").remove(0).trace.unwrap();
    assert_eq!(trace["public_key"], "0123abc", "the key, which is not on disk, is put in again");
    assert_eq!(held(folder.path()), 0);
}

#[test]
fn secrets_never_reach_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH";
    let (dsn, spool) = ("http://0123abc@127.0.0.1:9/42", SpoolConfig::new(folder.path()));
    let exporter =
        McpExporter::new(SentryConfig::default().with_dsn(dsn).with_tracing(true).with_spool(spool)).unwrap();
    let error = ErrorInfo { message: format!("Authorization: Bearer {secret}"), ..ErrorInfo::default() };
    exporter.export(&McpEvent {
        is_error: true,
        error: Some(error),
        user_intent: Some(format!("use {secret}")),
        ..McpEvent::default()
    });
    assert_eq!(exporter.shutdown(SHORT).held(), 3);
    let mut folders = vec![folder.path().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert!(!content.contains(secret) && !content.contains("0123abc"), "{}", path.display());
        }
    }
    assert!(files > 2);
}
