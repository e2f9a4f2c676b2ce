//! What is done at the end, whichever way it comes.

/// Does the last thing when it goes out of scope, also when that is because of a panic.
pub(super) struct Ending<F: FnMut()>(pub(super) F);

impl<F: FnMut()> Drop for Ending<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[cfg(test)]
mod tests {
    use std::{panic::catch_unwind, time::Duration};

    use watchpost::{
        exporter::{McpExporter, SentryConfig},
        model::McpEvent,
    };
    use watchpost_sentry::delivery::{SpoolConfig, SpoolReport};

    use super::*;

    #[test]
    fn a_panic_leaves_what_could_not_be_sent_in_the_spool() {
        let folder = tempfile::tempdir().unwrap();
        let config =
            SentryConfig::default().with_dsn("http://key@127.0.0.1:9/1").with_spool(SpoolConfig::new(folder.path()));
        let exporter = McpExporter::new(config).unwrap();
        // Somebody else still has it, as the observer's thread does: without the ending nothing would end it.
        let elsewhere = exporter.clone();
        let panicked = catch_unwind(move || {
            let _ending = Ending(|| {
                let _ = exporter.shutdown(Duration::from_millis(100));
            });
            exporter.export(&McpEvent::default());
            panic!("on purpose");
        });
        assert!(panicked.is_err());
        let left = SpoolReport::read(folder.path()).unwrap().destinations.remove(0);
        assert!(left.is_stuck(), "it waits for the next start: {left:?}");
        assert_eq!((left.outcome.held(), elsewhere.outcome().held()), (1, 1));
    }
}
