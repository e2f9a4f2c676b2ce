//! Sentry's Data Source Name: where to send, and with which key.
//! Source: Sentry's `authentication.mdx` ("Parsing the DSN"), every part a string:
//! `{scheme}://{key}[:{secret}]@{host}[:{port}]{path}/{project}`.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// The longest DSN taken, in bytes. Real ones have about 100.
const MAX_LENGTH: usize = 2048;

/// What a host name may have, in bytes (RFC 1035).
const MAX_HOST_LENGTH: usize = 253;

/// A parsed DSN. `Display` and `Debug` mask the key and the secret.
///
/// ```
/// use watchpost_sentry::wire::Dsn;
///
/// let dsn: Dsn = "https://0123abcd@o42.ingest.sentry.io/7".parse()?;
/// assert_eq!(dsn.envelope_url(), "https://o42.ingest.sentry.io/api/7/envelope/");
/// assert_eq!(dsn.org_id(), Some("42"));
/// assert_eq!(dsn.to_string(), "https://***@o42.ingest.sentry.io/7");
/// # Ok::<(), watchpost_sentry::wire::DsnError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Dsn {
    scheme: Scheme,
    public_key: String,
    secret_key: Option<String>,
    host: String,
    port: Option<u16>,
    path: String,
    project_id: String,
}

/// How Sentry is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`, port 80 by default.
    Http,
    /// `https`, port 443 by default.
    Https,
}

/// What is wrong with a DSN. No message repeats any of it: it holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DsnError {
    /// Nothing, or only whitespace.
    #[error("the DSN is empty; {EXPECTED}")]
    Empty,
    /// More than 2048 bytes.
    #[error("the DSN is longer than {MAX_LENGTH} bytes; {EXPECTED}")]
    TooLong,
    /// A space, newline or other control character within.
    #[error("the DSN has a space, a newline or a control character in it; {EXPECTED}")]
    Whitespace,
    /// A character outside of ASCII.
    #[error("the DSN has a character outside of ASCII: write the host as xn--… and anything else as %XX; {EXPECTED}")]
    NotAscii,
    /// No `://`.
    #[error("the DSN has no scheme such as https://; {EXPECTED}")]
    MissingScheme,
    /// A scheme other than `http` and `https`.
    #[error("the DSN's scheme is neither http nor https; {EXPECTED}")]
    UnknownScheme,
    /// `?` and what follows.
    #[error("the DSN has a query (?…), which Sentry does not know; {EXPECTED}")]
    Query,
    /// `#` and what follows.
    #[error("the DSN has a fragment (#…), which Sentry does not know; {EXPECTED}")]
    Fragment,
    /// No `@`, or nothing before it.
    #[error("the DSN has no public key before an @; {EXPECTED}")]
    MissingKey,
    /// A character in the key that would break a URL or a header.
    #[error("the DSN's public key has a character that no key has; {EXPECTED}")]
    InvalidKey,
    /// A character in the secret that would break a URL or a header.
    #[error("the DSN's secret key has a character that no key has; {EXPECTED}")]
    InvalidSecret,
    /// Nothing between `@` and the port or path.
    #[error("the DSN has no host after the @; {EXPECTED}")]
    MissingHost,
    /// Not a host name, an IPv4 address or an IPv6 address in brackets.
    #[error("the DSN's host is no host name, IPv4 address or IPv6 address in brackets; {EXPECTED}")]
    InvalidHost,
    /// Not a number from 1 to 65535.
    #[error("the DSN's port is not a number from 1 to 65535; {EXPECTED}")]
    InvalidPort,
    /// A character in the path before the project id that no URL has there, or a `.` or `..` segment.
    #[error("the DSN's path before the project id is not a plain URL path; {EXPECTED}")]
    InvalidPath,
    /// Nothing after the host's `/`.
    #[error("the DSN has no project id at its end; {EXPECTED}")]
    MissingProjectId,
    /// A character in the project id that would break the URL.
    #[error("the DSN's project id has a character other than letters, digits, - _ . and ~; {EXPECTED}")]
    InvalidProjectId,
}

const EXPECTED: &str =
    "a DSN looks like https://KEY@o123.ingest.sentry.io/456 (Sentry: Settings > Projects > Client Keys)";

impl Dsn {
    /// The scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    /// The secret key of a DSN from before 2018.
    #[must_use]
    pub fn secret_key(&self) -> Option<&str> {
        self.secret_key.as_deref()
    }

    /// The host in lowercase, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, given or by default.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or_else(|| self.scheme.default_port())
    }

    /// The path before `/api/`: empty, or with a leading and no trailing slash (`/sentry`).
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The project id, usually a number.
    #[must_use]
    pub fn project_id(&self) -> &str {
        &self.project_id
    }

    /// The organisation's id, from a host that starts with `o123.`.
    #[must_use]
    pub fn org_id(&self) -> Option<&str> {
        let (label, _) = self.host.split_once('.')?;
        let digits = label.strip_prefix('o')?;
        (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
    }

    /// Whether this is Sentry's own service: `sentry.io` or a host below it.
    #[must_use]
    pub fn is_sentry_io(&self) -> bool {
        let host = self.host.trim_end_matches('.');
        host == "sentry.io" || host.ends_with(".sentry.io")
    }

    /// Whether the host is this machine: `localhost`, `127.0.0.0/8` or `::1`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        if let Ok(address) = self.host.parse::<Ipv6Addr>() {
            return address.to_canonical().is_loopback();
        }
        let host = self.host.trim_end_matches('.');
        host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
            || host == "localhost"
            || host.ends_with(".localhost")
    }

    /// Where envelopes are posted to.
    #[must_use]
    pub fn envelope_url(&self) -> String {
        let (scheme, authority) = (self.scheme, self.authority());
        format!("{scheme}://{authority}{}/api/{}/envelope/", self.path, self.project_id)
    }

    /// The value of the `X-Sentry-Auth` header. `client` is the SDK's name and version, `watchpost.rust/0.1.0`; a
    /// character in it that would break the header becomes `_`.
    #[must_use]
    pub fn auth_header(&self, client: &str) -> String {
        let safe = |c: char| if c.is_ascii_graphic() && c != ',' { c } else { '_' };
        let client: String = client.chars().map(safe).collect();
        let mut header = format!("Sentry sentry_version=7, sentry_client={client}, sentry_key={}", self.public_key);
        if let Some(secret) = &self.secret_key {
            header.push_str(", sentry_secret=");
            header.push_str(secret);
        }
        header
    }

    fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }
}

impl FromStr for Dsn {
    type Err = DsnError;

    /// Whitespace around the DSN and slashes after the project id are ignored, repeated slashes count as one.
    fn from_str(text: &str) -> Result<Self, DsnError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(DsnError::Empty);
        }
        if text.len() > MAX_LENGTH {
            return Err(DsnError::TooLong);
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(DsnError::Whitespace);
        }
        if !text.is_ascii() {
            return Err(DsnError::NotAscii);
        }

        let (scheme, rest) = text.split_once("://").ok_or(DsnError::MissingScheme)?;
        let scheme = Scheme::parse(scheme)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if path.contains('#') {
            return Err(DsnError::Fragment);
        }
        if path.contains('?') {
            return Err(DsnError::Query);
        }

        let (keys, location) = authority.rsplit_once('@').ok_or(DsnError::MissingKey)?;
        let (public_key, secret_key) = parse_keys(keys)?;
        let (host, port) = parse_location(location)?;
        let (path, project_id) = parse_path(path)?;
        Ok(Self { scheme, public_key, secret_key, host, port, path, project_id })
    }
}

impl fmt::Display for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://***@{}{}/{}", self.scheme, self.authority(), self.path, self.project_id)
    }
}

impl fmt::Debug for Dsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dsn({self})")
    }
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port when none is given.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn parse(scheme: &str) -> Result<Self, DsnError> {
        [Self::Http, Self::Https]
            .into_iter()
            .find(|known| scheme.eq_ignore_ascii_case(known.as_str()))
            .ok_or(if scheme.is_empty() { DsnError::MissingScheme } else { DsnError::UnknownScheme })
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `key` or `key:secret`; an empty secret is none.
fn parse_keys(keys: &str) -> Result<(String, Option<String>), DsnError> {
    let (public, secret) = keys.split_once(':').unwrap_or((keys, ""));
    if public.is_empty() {
        return Err(DsnError::MissingKey);
    }
    if !public.bytes().all(is_key_byte) {
        return Err(DsnError::InvalidKey);
    }
    if !secret.bytes().all(is_key_byte) {
        return Err(DsnError::InvalidSecret);
    }
    Ok((public.to_owned(), (!secret.is_empty()).then(|| secret.to_owned())))
}

/// `host`, `host:port`, `[::1]` or `[::1]:port`.
fn parse_location(location: &str) -> Result<(String, Option<u16>), DsnError> {
    let (host, port) = match location.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(DsnError::InvalidHost)?;
            let address: Ipv6Addr = address.parse().map_err(|_| DsnError::InvalidHost)?;
            (address.to_string(), port)
        }
        None => {
            let (host, port) = location.split_at(location.find(':').unwrap_or(location.len()));
            if host.is_empty() {
                return Err(DsnError::MissingHost);
            }
            if !is_host(host) {
                return Err(DsnError::InvalidHost);
            }
            (host.to_ascii_lowercase(), port)
        }
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let port = port.strip_prefix(':').ok_or(DsnError::InvalidHost)?;
    // `u16::from_str` would take a sign.
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(DsnError::InvalidPort);
    }
    match port.parse() {
        Ok(0) | Err(_) => Err(DsnError::InvalidPort),
        Ok(port) => Ok((host, Some(port))),
    }
}

/// `/prefix/project` to the prefix and the project id.
fn parse_path(path: &str) -> Result<(String, String), DsnError> {
    let mut segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let project_id = segments.pop().ok_or(DsnError::MissingProjectId)?;
    if is_dots(project_id) || !project_id.bytes().all(is_unreserved) {
        return Err(DsnError::InvalidProjectId);
    }
    if segments.iter().any(|segment| is_dots(segment) || !is_path_segment(segment)) {
        return Err(DsnError::InvalidPath);
    }
    let prefix = segments.iter().flat_map(|segment| ["/", segment]).collect();
    Ok((prefix, project_id.to_owned()))
}

/// What RFC 3986 allows before the `@`, without `,` and `;`, which separate the parts of the auth header.
const fn is_key_byte(byte: u8) -> bool {
    is_unreserved(byte) || matches!(byte, b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b'=')
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

/// Labels of letters, digits, `-` and `_` (which real installations use), with or without a dot at the end.
fn is_host(host: &str) -> bool {
    let is_label_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let host = host.strip_suffix('.').unwrap_or(host);
    host.len() <= MAX_HOST_LENGTH && host.split('.').all(|label| !label.is_empty() && label.bytes().all(is_label_byte))
}

/// A segment that HTTP clients would resolve away.
fn is_dots(segment: &str) -> bool {
    segment == "." || segment == ".."
}

fn is_path_segment(segment: &str) -> bool {
    segment.bytes().all(|byte| {
        is_unreserved(byte)
            || matches!(byte, b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' | b':')
            || byte == b'@'
    })
}
