//! Secrets never leave the process: detectors that always run over every string of an event, before it is mapped,
//! queued or stored. Sources: Sentry's data-collection denylist, Mastra's `SensitiveDataFilter`, and the vendors' own
//! token formats.
//!
//! What is found is replaced by [`MARKER`]; everything else stays as it was. The scan is one pass looking for a few rare
//! bytes, so a clean string costs some tens of nanoseconds and is returned borrowed.
//!
//! | rule | finds | replaces |
//! | --- | --- | --- |
//! | vendor tokens | `sk-…`, `ghp_…`, `github_pat_…`, `glpat-…`, `xoxb-…`, `AKIA…`, `AIza…`, `npm_…`, `hf_…` and the others in `token.rs` | the token |
//! | JSON web tokens | `eyJ….….…` | the token |
//! | private keys | `-----BEGIN … PRIVATE KEY-----` to its end, or to the end of the text | the block |
//! | authorization schemes | `Bearer …` when what follows looks like a token, `Basic …` when it decodes to `user:password` | the credential |
//! | URLs | `scheme://user:password@host`, and a long random user alone | the user information |
//! | pairs | `password=…`, `"api_key": "…"`, `Authorization: …`, `--token …`, escaped JSON too | the value |
//! | JSON keys | the value under a key that names a secret ([`is_secret_key`]), of whatever shape; arguments, results and error data are parsed for it | the value |
//!
//! Key names match by whole words (`apiKey`, `API_KEY` and `api-key` alike), never by substring: `input_tokens`,
//! `author`, `monkey`, `tokenizer` and `next_page_token` are not secrets. A key that is often harmless in prose
//! (`token: …`) needs a value that looks random; in JSON and in `key=value` the name is enough.

mod capture;
mod event;
mod json;
mod json_text;
mod key;
mod pair;
mod payload;
mod rules;
mod run;
mod seen;
mod span;
mod span_visitor;
mod telling;
mod terminal;
mod text;
mod token;
mod url;
mod visitor;

pub use self::{
    capture::{Capture, ParseCaptureError},
    event::redact_event,
    json::redact_json,
    key::is_secret_key,
    rules::{ParseRuleError, Rule, Rules},
    span::redact_span,
    terminal::redact_terminal_line,
    text::redact_text,
};

pub(crate) use self::span::SpanRedaction;
#[cfg(feature = "rmcp")]
pub(crate) use self::visitor::{Redactor, visit_strings};

/// What stands where a secret was, as in Sentry's own scrubbing.
pub const MARKER: &str = "[Filtered]";
