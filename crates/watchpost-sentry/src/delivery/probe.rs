//! One request that carries nothing, to see whether Sentry can be reached and what it says: for diagnosis, before anything of
//! value is sent.

use std::{
    fmt, io,
    time::{Duration, Instant, SystemTime},
};

use super::{
    answer::Answer,
    body::Body,
    config::DeliveryConfig,
    error::DeliveryError,
    http::{Client, Target},
    rate_limit::RateLimits,
};
use crate::wire::{ClientReport, Envelope, EnvelopeHeader, Timestamp};

/// What came of a [`probe`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Probe {
    /// Whether a proxy of the environment stood between (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`).
    pub proxied: bool,
    /// How long it took: name, connection, TLS and answer together.
    pub took: Duration,
    /// The answer, or why there was none, in words that never repeat the DSN's key.
    pub answer: Result<ProbeAnswer, String>,
}

/// An answer to a [`probe`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProbeAnswer {
    /// The HTTP status. 2xx: the envelope was taken.
    pub status: u16,
    /// The server's clock (`Date`), to the second.
    pub date: Option<SystemTime>,
    /// The categories that must not be sent now, by their names at Sentry, and for how long; `all` is everything.
    pub limited: Vec<(&'static str, Duration)>,
    /// Of a refusal: what Sentry says of it.
    pub explanation: String,
}

impl fmt::Display for ProbeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if self.explanation.is_empty() { Ok(()) } else { write!(f, " ({})", self.explanation) }
    }
}

/// Posts an envelope with an empty client report, by the same way as a delivery of this configuration: the same proxies,
/// certificates and timeouts. Blocks for at most the request timeout (15 s by default).
///
/// ```
/// use watchpost_sentry::{delivery::{DeliveryConfig, probe}, wire::Dsn};
///
/// // Nobody listens there.
/// let dsn: Dsn = "http://key@127.0.0.1:9/1".parse()?;
/// assert!(probe(&DeliveryConfig::new(dsn))?.answer.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the DSN can't be put into a request.
pub fn probe(config: &DeliveryConfig) -> Result<Probe, DeliveryError> {
    let client = Client::new(Target::new(config)?, config);
    let now = Timestamp::now();
    let mut envelope = Envelope::new(&EnvelopeHeader {
        sent_at: Some(now),
        sdk: Some(config.sdk.clone()),
        ..EnvelopeHeader::default()
    });
    envelope.push_client_report(&ClientReport { timestamp: now, discarded: Vec::new() });
    let start = Instant::now();
    let answer = post(&client, envelope.into_bytes().into());
    Ok(Probe { proxied: client.is_proxied(), took: start.elapsed(), answer })
}

fn post(client: &Client, body: Body) -> Result<ProbeAnswer, String> {
    let failed = |error: io::Error| format!("can't set up the connection: {error}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(failed)?;
    let answer = runtime.block_on(client.post(body));
    // Without waiting for a name resolution that may hang.
    runtime.shutdown_background();
    let response = match answer {
        Answer::Response(response) => response,
        Answer::Failed(why) => return Err(why),
    };
    let (mut limits, now) = (RateLimits::default(), Instant::now());
    limits.observe(
        response.status,
        response.rate_limits.as_deref(),
        response.retry_after.as_deref(),
        SystemTime::now(),
        now,
    );
    Ok(ProbeAnswer {
        status: response.status,
        date: response.date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok()),
        limited: limits.in_force(now).map(|(name, until)| (name, until - now)).collect(),
        explanation: response.explanation,
    })
}
