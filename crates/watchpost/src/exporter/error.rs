//! Why an exporter cannot be set up. Nothing that happens later is an error: it is counted in the
//! [`Outcome`](watchpost_sentry::delivery::Outcome).

use watchpost_sentry::{delivery::DeliveryError, wire::DsnError};

/// What is wrong with a configuration. No message repeats the DSN.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExporterError {
    /// There is no DSN.
    #[error("no DSN: set `dsn` or SENTRY_DSN (Sentry: Settings > Projects > Client Keys)")]
    MissingDsn,
    /// The DSN is wrong.
    #[error("the DSN can't be used: {0}")]
    Dsn(#[from] DsnError),
    /// The DSN cannot be delivered to.
    #[error("the DSN can't be used: {0}")]
    Delivery(#[from] DeliveryError),
    /// The sample rate is no share.
    #[error("traces_sample_rate is {rate}; it must be between 0 and 1")]
    InvalidSampleRate {
        /// The rate.
        rate: f64,
    },
    /// An environment variable cannot be read.
    #[error("{name} is not {expected}")]
    InvalidVariable {
        /// The variable.
        name: &'static str,
        /// What it should be.
        expected: &'static str,
    },
}
