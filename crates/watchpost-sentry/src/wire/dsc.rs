//! The dynamic sampling context: the envelope's `trace` header.

use std::borrow::Cow;

use super::TraceId;

/// The `trace` envelope header. Every value is a string on the wire. `sample_rand < sample_rate` if and only if sampled.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicSamplingContext<'a> {
    /// The trace.
    pub trace_id: TraceId,
    /// The DSN's public key.
    pub public_key: Cow<'a, str>,
    /// The rate the decision was made with, 0 to 1.
    pub sample_rate: Option<f64>,
    /// The random number it was made with, 0 (included) to 1 (excluded), written with six decimals.
    pub sample_rand: Option<f64>,
    /// The decision.
    pub sampled: Option<bool>,
    /// The release.
    pub release: Option<Cow<'a, str>>,
    /// The environment.
    pub environment: Option<Cow<'a, str>>,
    /// The transaction's name, only when low in cardinality.
    pub transaction: Option<Cow<'a, str>>,
    /// The organisation, from the DSN's host (`o123.`).
    pub org_id: Option<Cow<'a, str>>,
}
