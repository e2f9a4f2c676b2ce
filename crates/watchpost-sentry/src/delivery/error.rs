//! Why a delivery cannot be set up. Everything that goes wrong later is counted in the
//! [`Outcome`](super::Outcome) instead.

/// A DSN that parses but cannot be put into an HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The DSN's parts do not make a URL.
    #[error("the DSN does not make a valid URL: check its host, port and path")]
    InvalidUrl,
    /// The DSN's key or the SDK's name cannot stand in an HTTP header.
    #[error("the DSN's key or the SDK's name cannot stand in an HTTP header: only printable ASCII can")]
    InvalidHeader,
}
