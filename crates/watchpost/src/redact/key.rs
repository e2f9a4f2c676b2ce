//! Names that announce a secret: `password`, `apiKey`, `X-Api-Key`. Source: Sentry's data-collection denylist, matched
//! by whole words instead of substrings, because these names stand in free-form JSON and not only in HTTP headers.

/// How surely a key's value is a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyClass {
    /// `password`, `api_key`: whatever the value.
    Strong,
    /// `token`, `auth`: in prose only when the value looks random; a number is a count.
    Weak,
    /// `authorization`, `cookie`: the value goes on to the end of the line.
    Header,
}

/// Words that make a key a secret on their own.
#[rustfmt::skip]
const STRONG: &[&str] = &[
    "password", "passwords", "passwd", "pwd", "passphrase", "passcode", "secret", "secrets", "credential", "credentials", "jwt",
    "apikey", "apisecret", "apitoken", "privatekey", "secretkey", "accesskey", "clientsecret", "accesstoken", "authtoken",
    "refreshtoken", "idtoken", "bearertoken", "phpsessid", "jsessionid", "sessionid",
];
/// Words that make a key a secret unless the value says otherwise.
const WEAK: &[&str] = &["token", "auth", "bearer", "pass", "csrf", "xsrf", "saml", "sid"];
/// Header names whose value is the rest of the line.
const HEADERS: &[&str] = &["authorization", "cookie", "cookies"];
/// Words that make a following `key` or `token(s)` a secret: `api key`, `access_tokens`.
#[rustfmt::skip]
const QUALIFIERS: &[&str] = &[
    "access", "account", "admin", "api", "app", "auth", "bearer", "bot", "client", "consumer", "decryption", "deploy", "encryption",
    "hmac", "id", "master", "oauth", "personal", "private", "refresh", "root", "secret", "security", "service", "session", "shared",
    "signing", "ssh", "storage", "subscription", "webhook",
];
/// Last words after which the value describes the secret and is none: `token_count`, `passwordPolicy`.
#[rustfmt::skip]
const DESCRIPTIONS: &[&str] = &[
    "age", "alg", "algorithm", "at", "audience", "budget", "cost", "count", "counts", "description", "domain", "enabled", "endpoint",
    "error", "estimate", "expiration", "expired", "expires", "expiry", "field", "format", "hint", "index", "issuer", "label", "len",
    "length", "limit", "limits", "method", "mode", "name", "names", "placeholder", "policy", "present", "price", "prompt", "provider",
    "rate", "remaining", "required", "scheme", "scope", "scopes", "size", "source", "status", "strength", "title", "ttl", "type", "uri",
    "url", "usage", "used", "valid", "version", "window",
];
/// Words beside `token` that make it a cursor or a piece of text.
#[rustfmt::skip]
const NOT_A_CREDENTIAL: &[&str] = &[
    "bos", "cached", "completion", "continuation", "cursor", "eos", "first", "input", "last", "max", "min", "next", "num", "output", "pad",
    "page", "per", "prev", "previous", "progress", "resume", "special", "stop", "sync", "total", "unexpected",
];

/// Whether a key names a secret: `password`, `apiKey`, `X-Api-Key`, `Authorization`; not `input_tokens`, not `author`.
#[must_use]
pub fn is_secret_key(key: &str) -> bool {
    classify_key(key).is_some()
}

pub(super) fn classify_key(key: &str) -> Option<KeyClass> {
    let words = Words::of(key);
    let words = words.as_slice();
    let (&last, before) = words.split_last()?;
    let has = |list: &[&str]| words.iter().any(|word| contains(list, word));

    if contains(DESCRIPTIONS, last) {
        return None;
    }
    let qualified = before.last().is_some_and(|word| contains(QUALIFIERS, word));
    if last.eq_ignore_ascii_case("key") || last.eq_ignore_ascii_case("keys") || last.eq_ignore_ascii_case("tokens") {
        return qualified.then_some(KeyClass::Strong);
    }
    if has(HEADERS) {
        return Some(KeyClass::Header);
    }
    if has(STRONG) {
        return Some(KeyClass::Strong);
    }
    if last.eq_ignore_ascii_case("token") && qualified {
        return Some(KeyClass::Strong);
    }
    (has(WEAK) && !has(NOT_A_CREDENTIAL)).then_some(KeyClass::Weak)
}

fn contains(list: &[&str], word: &str) -> bool {
    list.iter().any(|entry| entry.eq_ignore_ascii_case(word))
}

/// The last eight words of a key, split at `_`, `-`, `.`, spaces and where camelCase changes.
struct Words<'a> {
    words: [&'a str; 8],
    count: usize,
}

impl<'a> Words<'a> {
    fn of(key: &'a str) -> Self {
        let bytes = key.as_bytes();
        let mut split = Self { words: [""; 8], count: 0 };
        let mut end = bytes.len();
        for at in (0..bytes.len()).rev() {
            let starts_word = bytes[at].is_ascii_alphanumeric() && (at == 0 || begins_word(bytes, at));
            if !bytes[at].is_ascii_alphanumeric() {
                end = at;
            } else if starts_word {
                if split.count == split.words.len() {
                    break;
                }
                // The bytes between are ASCII letters and digits, so the range lies on character boundaries.
                split.words[split.count] = key.get(at..end).unwrap_or_default();
                split.count += 1;
                end = at;
            }
        }
        split.words[..split.count].reverse();
        split
    }

    fn as_slice(&self) -> &[&'a str] {
        &self.words[..self.count]
    }
}

/// Whether the letter at `at` begins a word: after a separator, `aB`, or the `B` of `ABc`.
fn begins_word(bytes: &[u8], at: usize) -> bool {
    let (before, here) = (bytes[at - 1], bytes[at]);
    if !before.is_ascii_alphanumeric() {
        return true;
    }
    let next_is_lower = bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
    here.is_ascii_uppercase() && (!before.is_ascii_uppercase() || next_is_lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_recognised_in_every_spelling() {
        for key in [
            "password",
            "userPassword",
            "DB_PASSWORD",
            "password_hash",
            "pwd",
            "client_secret",
            "clientSecret",
            "CLIENTSECRET",
            "api_key",
            "apiKey",
            "APIKey",
            "X-Api-Key",
            "api key",
            "openai.api.key",
            "secret_access_key",
            "sshKey",
            "access_token",
            "accessTokens",
            "id_token",
            "token",
            "github_token",
            "Authorization",
            "proxy-authorization",
            "Set-Cookie",
            "auth",
            "csrf_token",
            "jwt",
            "credentials",
            "connect.sid",
            "JSESSIONID",
        ] {
            assert!(is_secret_key(key), "{key}");
        }
    }

    #[test]
    fn names_that_only_sound_like_secrets_are_left_alone() {
        for key in [
            "",
            "_",
            "input_tokens",
            "gen_ai.usage.output_tokens",
            "maxTokens",
            "total_tokens",
            "token_count",
            "tokenLimit",
            "tokenizer",
            "next_page_token",
            "progressToken",
            "nextToken",
            "author",
            "authority",
            "auth_type",
            "monkey",
            "keyboard",
            "key",
            "public_key",
            "sort_key",
            "passage",
            "passenger",
            "password_policy",
            "secret_name",
            "session_id",
            "mcp.session.id",
            "secretary",
            "compass",
        ] {
            assert!(!is_secret_key(key), "{key}");
        }
    }
}
