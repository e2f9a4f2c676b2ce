//! What an HTTP exchange ended with, and what that means for the parcel. Pure.
//! Source: Sentry's SDK documentation, "Transport" and "Client Reports" (which answers are final).

use hyper::header::HeaderValue;

/// How one exchange ended.
#[derive(Debug)]
pub(super) enum Answer {
    /// An HTTP response of any status.
    Response(Response),
    /// No response: not connected, cut off, timed out, not HTTP. Says which.
    Failed(String),
}

/// What matters of a response.
#[derive(Debug, Default)]
pub(super) struct Response {
    pub(super) status: u16,
    /// `X-Sentry-Rate-Limits`; several headers are joined by commas.
    pub(super) rate_limits: Option<String>,
    pub(super) retry_after: Option<String>,
    /// `Date`: the server's clock.
    pub(super) date: Option<HeaderValue>,
    /// Of a response other than 2xx: `X-Sentry-Error` and the beginning of the body, made fit for a log line.
    pub(super) explanation: String,
}

/// What to do with the parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Sentry has it.
    Sent,
    /// Sentry has counted and discarded it.
    RateLimited,
    /// Smaller pieces may pass.
    TooLarge,
    /// It will never pass.
    Refused,
    /// It may pass later.
    Retry,
}

impl Response {
    pub(super) fn verdict(&self) -> Verdict {
        match self.status {
            200..=299 => Verdict::Sent,
            429 => Verdict::RateLimited,
            413 => Verdict::TooLarge,
            // A proxy that wants credentials (407) says nothing about the parcel: Sentry has not seen it.
            407 | 408 | 500.. => Verdict::Retry,
            _ => Verdict::Refused,
        }
    }

    /// Whether a compressed body was refused because it was compressed.
    pub(super) fn refuses_encoding(&self) -> bool {
        let names_encoding = || {
            let explanation = self.explanation.to_ascii_lowercase();
            ["content-encoding", "encoding", "compress", "zstd", "gzip", "zlib"]
                .iter()
                .any(|word| explanation.contains(word))
        };
        self.status == 415 || self.status == 400 && names_encoding()
    }
}

/// How many characters of an answer's body are worth a log line.
const EXPLANATION_CHARS: usize = 200;

/// `X-Sentry-Error` and the first 200 characters of the body on one line, without control characters and without the
/// DSN's key, should the server repeat it.
pub(super) fn explain(error_header: Option<&str>, body: &[u8], secrets: &[String]) -> String {
    let body = String::from_utf8_lossy(body);
    let mut text = String::new();
    for part in [error_header.unwrap_or_default(), body.trim()] {
        if !text.is_empty() && !part.is_empty() {
            text.push_str(": ");
        }
        let part = secrets
            .iter()
            .filter(|secret| !secret.is_empty())
            .fold(part.to_owned(), |part, secret| part.replace(secret.as_str(), "***"));
        text.extend(part.chars().take(EXPLANATION_CHARS).map(|c| if c.is_control() { ' ' } else { c }));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, explanation: &str) -> Response {
        Response { status, explanation: explanation.to_owned(), ..Response::default() }
    }

    #[test]
    fn each_status_has_its_verdict() {
        for (statuses, verdict) in [
            (&[200, 202, 299][..], Verdict::Sent),
            (&[429], Verdict::RateLimited),
            (&[413], Verdict::TooLarge),
            (&[301, 400, 401, 403, 404, 410, 415], Verdict::Refused),
            (&[407, 408, 500, 502, 503, 504, 599], Verdict::Retry),
        ] {
            for status in statuses {
                assert_eq!(response(*status, "").verdict(), verdict, "{status}");
            }
        }
    }

    #[test]
    fn a_refused_encoding_is_told_from_other_refusals() {
        assert!(response(415, "").refuses_encoding());
        assert!(response(400, "unsupported Content-Encoding zstd").refuses_encoding());
        assert!(response(400, "invalid gzip header").refuses_encoding());
        assert!(!response(400, "invalid event envelope").refuses_encoding());
        assert!(!response(403, "gzip").refuses_encoding());
    }

    #[test]
    fn an_explanation_is_one_line_of_bounded_length_without_the_key() {
        let body = format!("bad\r\n\u{1b}[31mkey deadbeef {}", "x".repeat(500));
        let text = explain(Some("no project"), body.as_bytes(), &["deadbeef".to_owned(), String::new()]);
        assert!(text.starts_with("no project: bad   [31mkey *** xxx"), "{text}");
        assert!(text.chars().count() <= 2 * EXPLANATION_CHARS + 2);
        assert!(!text.chars().any(char::is_control));
        assert_eq!(explain(None, &[0xff, b'a'], &[]), "\u{fffd}a");
        assert_eq!(explain(None, b"", &["k".to_owned()]), "");
    }
}
