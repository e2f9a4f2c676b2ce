//! The dynamic sampling context: the envelope's `trace` header.
//! Source: Sentry's `dynamic-sampling-context.mdx`.

use std::borrow::Cow;

use serde::Deserialize;

use super::{TraceId, json::JsonWriter, lenient, owned};

/// The `trace` envelope header. Every value is a string on the wire. `sample_rand < sample_rate` if and only if
/// sampled: decide with a `sample_rand` of six decimals, for that is what is written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct DynamicSamplingContext<'a> {
    /// The trace.
    pub trace_id: TraceId,
    /// The DSN's public key.
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
    pub public_key: Cow<'a, str>,
    /// The rate the decision was made with, 0 to 1.
    #[serde(default, deserialize_with = "lenient::parsed")]
    pub sample_rate: Option<f64>,
    /// The random number it was made with, 0 (included) to 1 (excluded), written with six decimals, the rest cut.
    #[serde(default, deserialize_with = "lenient::parsed")]
    pub sample_rand: Option<f64>,
    /// The decision.
    #[serde(default, deserialize_with = "lenient::parsed")]
    pub sampled: Option<bool>,
    /// The release.
    #[serde(default, deserialize_with = "lenient::text")]
    pub release: Option<Cow<'a, str>>,
    /// The environment.
    #[serde(default, deserialize_with = "lenient::text")]
    pub environment: Option<Cow<'a, str>>,
    /// The transaction's name, only when low in cardinality.
    #[serde(default, deserialize_with = "lenient::text")]
    pub transaction: Option<Cow<'a, str>>,
    /// The organisation, from the DSN's host (`o123.`).
    #[serde(default, deserialize_with = "lenient::text")]
    pub org_id: Option<Cow<'a, str>>,
}

impl DynamicSamplingContext<'_> {
    /// Appends the context as JSON. A rate that is not finite is left out.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        self.write(out, Some(&self.public_key));
    }

    /// [`write_json`](Self::write_json) without the public key, for where that must not be.
    pub(crate) fn write_json_without_key(&self, out: &mut Vec<u8>) {
        self.write(out, None);
    }

    fn write(&self, out: &mut Vec<u8>, public_key: Option<&str>) {
        let mut json = JsonWriter::new(out);
        json.begin_object();
        json.key("trace_id");
        json.raw_value(|out| self.trace_id.write_json(out));
        json.member_some("public_key", public_key);
        if let Some(rate) = self.sample_rate.filter(|rate| rate.is_finite()) {
            json.member("sample_rate", &rate.to_string());
        }
        if let Some(random) = self.sample_rand.filter(|random| random.is_finite()) {
            json.member("sample_rand", &format_random(random));
        }
        json.member_some("sampled", self.sampled.map(|sampled| if sampled { "true" } else { "false" }));
        json.member_some("release", self.release.as_deref());
        json.member_some("environment", self.environment.as_deref());
        json.member_some("transaction", self.transaction.as_deref());
        json.member_some("org_id", self.org_id.as_deref());
        json.end_object();
    }

    /// The same context, with the strings of this one.
    pub(crate) fn borrowed(&self) -> DynamicSamplingContext<'_> {
        DynamicSamplingContext {
            trace_id: self.trace_id,
            public_key: Cow::Borrowed(&self.public_key),
            sample_rate: self.sample_rate,
            sample_rand: self.sample_rand,
            sampled: self.sampled,
            release: self.release.as_deref().map(Cow::Borrowed),
            environment: self.environment.as_deref().map(Cow::Borrowed),
            transaction: self.transaction.as_deref().map(Cow::Borrowed),
            org_id: self.org_id.as_deref().map(Cow::Borrowed),
        }
    }

    /// The same context, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> DynamicSamplingContext<'static> {
        DynamicSamplingContext {
            trace_id: self.trace_id,
            public_key: owned::text(self.public_key),
            sample_rate: self.sample_rate,
            sample_rand: self.sample_rand,
            sampled: self.sampled,
            release: owned::some(self.release),
            environment: owned::some(self.environment),
            transaction: owned::some(self.transaction),
            org_id: owned::some(self.org_id),
        }
    }
}

/// Six decimals, cut and not rounded: 0.9999999 must not become 1.
fn format_random(random: f64) -> String {
    // A decimal such as 0.29 may lie just below its value; the tiny addition keeps the cut from taking a millionth off
    // it.
    let millionths = (random * 1e6 + 1e-6).floor().clamp(0.0, 999_999.0);
    format!("0.{millionths:06}")
}
