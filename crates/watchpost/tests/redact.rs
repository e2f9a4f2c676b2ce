//! Secrets never survive, clean text is never touched: examples of each rule, and properties over random surroundings.
#![allow(clippy::unwrap_used, reason = "a panic in a test is its failure")]

use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::json;
use watchpost::{
    model::{ErrorInfo, McpEvent},
    redact::{Capture, redact_event, redact_json, redact_text},
};

/// Each example: a text, and what must be left of it.
#[rustfmt::skip]
const EXAMPLES: &[(&str, &str)] = &[
    // Vendor tokens
    ("key sk-INPROPS here", "key [Filtered] here"),
    ("sk-proj-abcDEF0123456789_-x", "[Filtered]"),
    ("sk-ant-api03-abcdef", "[Filtered]"),
    ("(ghp_abcdefghijklmnopqrstuvwxyz0123456789)", "([Filtered])"),
    ("github_pat_11ABCDEFG0_abcdefghijkl", "[Filtered]"),
    ("xoxb-1234567890-abcdefghij", "[Filtered]"),
    ("AKIAIOSFODNN7EXAMPLE", "[Filtered]"),
    ("AIzaSyA-1234567890abcdefghijklmnopqrstu", "[Filtered]"),
    ("glpat-abcdEFGH1234_-xyz", "[Filtered]"),
    ("//registry/:_authToken=npm_abcdefghijklmnopqrstuvwxyz0123456789", "//registry/:_authToken=[Filtered]"),
    ("hf_abcdefghijklmnopqrstuvwxyzABCDEFGH", "[Filtered]"),
    ("sk_live_abcdefgh12345678", "[Filtered]"),
    ("SG.abcdefghijklmnopqrstuv.wxyzABCDEFGH", "[Filtered]"),
    // JSON web tokens
    ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl end", "jwt [Filtered] end"),
    // Private keys
    ("a -----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY----- b", "a [Filtered] b"),
    ("cut -----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk", "cut [Filtered]"),
    ("secret=-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n", "secret=[Filtered]\n"),
    // Authorization schemes
    ("failed with Bearer abc123DEF456", "failed with Bearer [Filtered]"),
    ("header: bearer%20abc123DEF456", "header: bearer%20[Filtered]"),
    ("Basic dXNlcjpwYXNzd29yZA==", "Basic [Filtered]"),
    // URLs
    ("postgres://app:hunter2@db.internal:5432/app", "postgres://[Filtered]@db.internal:5432/app"),
    ("https://x-token-auth:abc@git.example/repo.git", "https://[Filtered]@git.example/repo.git"),
    ("https://0123456789abcdef0123456789abcdef@o1.ingest.sentry.io/2", "https://[Filtered]@o1.ingest.sentry.io/2"),
    ("mysql://root:pa/ss@w0rd@db/x", "mysql://[Filtered]@db/x"),
    (r"https:\/\/user:pass@host\/path", r"https:\/\/[Filtered]@host\/path"),
    // Pairs
    ("password=hunter2&user=ada", "password=[Filtered]&user=ada"),
    ("PASSWORD = 'hunter 2'; next", "PASSWORD = '[Filtered]'; next"),
    ("DB_PASSWORD=hunter2", "DB_PASSWORD=[Filtered]"),
    ("api_key: canary", "api_key: [Filtered]"),
    ("the API key: canary-1", "the API key: [Filtered]"),
    ("?access_token=abc&page_token=next", "?access_token=[Filtered]&page_token=next"),
    ("token: abcdef123456", "token: [Filtered]"),
    ("token=Bearer abc", "token=[Filtered]"),
    (r#"{"password":"hunter2","n":1}"#, r#"{"password":"[Filtered]","n":1}"#),
    (r#"{"token": "abc"}"#, r#"{"token": "[Filtered]"}"#),
    (r#"{"pwd":12345,"n":1}"#, r#"{"pwd":"[Filtered]","n":1}"#),
    (r#"{"credentials":{"a":["x","}"]},"n":1}"#, r#"{"credentials":"[Filtered]","n":1}"#),
    (r#"{"body":"{\"apiKey\":\"abc\",\"n\":1}"}"#, r#"{"body":"{\"apiKey\":\"[Filtered]\",\"n\":1}"}"#),
    (r#"{"password": "a\"b", "n": 1}"#, r#"{"password": "[Filtered]", "n": 1}"#),
    ("Authorization: Digest username=\"x\", response=y\nHost: a", "Authorization: [Filtered]\"x\", response=y\nHost: a"),
    ("curl -H 'Authorization: token abc' https://a", "curl -H 'Authorization: [Filtered]' https://a"),
    ("Cookie: a=b; session=c\r\nAccept: */*", "Cookie: [Filtered]\r\nAccept: */*"),
    ("run --password hunter2 --verbose", "run --password [Filtered] --verbose"),
    (r"password:\thunter2", r"password:\t[Filtered]"),
    (r"a\npassword=hunter2\nb", r"a\npassword=[Filtered]\nb"),
    ("headers[\"authorization\"] = \"abc\"", "headers[\"authorization\"] = \"[Filtered]\""),
    ("https://a/?X-Amz-Signature=0123abc&x=1", "https://a/?X-Amz-Signature=[Filtered]&x=1"),
];

/// Texts that look a little like secrets and are none.
const CLEAN: &[&str] = &[
    "",
    "echo",
    "tools/call",
    "ses_2cACdTb4mCsXob5DIVAuk7LMzLm",
    "evt_3MO4FbOtnyIbqnLJnrG2DBFFN9U",
    "11111111-2222-4333-8444-555555555555",
    "Echoing a unicode sample to verify 🐈 encoding",
    "MCP error -32602: Tool does_not_exist not found",
    "Input validation error: Invalid arguments for tool echo: Expected string, received number at text",
    "SyntaxError: Unexpected token } in JSON at position 3",
    "Unexpected token: Identifier",
    "1 validation error for echoArguments\ntext\n  Input should be a valid string [type=string_type, input_type=dict]",
    "input_tokens: 512, output_tokens=17, max_tokens: 4096",
    "Password: must be at least eight characters",
    "password: string; token: null; secret: undefined",
    "task-1234567 risk-assessment disk-0001234 sk-learn sk-SK",
    "Bearer authentication required; basic JavaScript knowledge; the bearer of bad news",
    "https://example.com:8080/@scope/package@1.2.3?q=a:b@c",
    "ssh://git@github.com/a/b.git and http://[::1]:8969/@x",
    "file:///tmp/golden/node_modules/@modelcontextprotocol/sdk/dist/esm/server/mcp.js:287:42",
    "author: Ada; monkey=1; keyboard: us; passage=long; public_key: abcdef123456",
    "npm_config_registry=x npm_package_name",
    "std::token::Token::new()",
    "{\"token_count\":12,\"hasPassword\":true,\"auth_type\":\"oauth\",\"password\":null}",
    "next_page_token=abcdef123456",
    r"password:\nnext line; C:\token\new; a\nmonkey=1",
    "žluťoučký kůň: příliš=ano",
];

#[test]
fn each_rule_filters_its_secret_and_nothing_else() {
    for (text, expected) in EXAMPLES {
        assert_eq!(redact_text(text), *expected, "in {text}");
    }
}

#[test]
fn clean_texts_are_returned_borrowed() {
    for text in CLEAN {
        assert!(matches!(redact_text(text), Cow::Borrowed(_)), "{text:?} became {:?}", redact_text(text));
    }
}

#[test]
fn json_is_filtered_by_key_name_whatever_the_shape_of_the_value() {
    let mut value = json!({
        "password": "hunter2",
        "nested": [{"apiKey": {"kid": 1}, "client_secret": ["a"], "pin_password": 1234}],
        "token": "abc",
        "sk-INPROPS0": "a secret in a key",
        "text": "Bearer abc123DEF456",
        "hasPassword": true, "secret": null, "token_count": 3, "auth": 7, "input_tokens": 512,
    });
    redact_json(&mut value);
    assert_eq!(
        value,
        json!({
            "password": "[Filtered]",
            "nested": [{"apiKey": "[Filtered]", "client_secret": "[Filtered]", "pin_password": "[Filtered]"}],
            "token": "[Filtered]",
            "[Filtered]": "a secret in a key",
            "text": "Bearer [Filtered]",
            "hasPassword": true, "secret": null, "token_count": 3, "auth": 7, "input_tokens": 512,
        })
    );
}

/// A secret of some kind around `core`, which must not survive.
fn secret(core: &str) -> impl Strategy<Value = String> + use<> {
    let kinds = [
        format!("sk-{core}"),
        format!("ghp_{core}"),
        format!("github_pat_{core}"),
        format!("xoxb-{core}"),
        format!("glpat-{core}"),
        format!("AKIA{}", core.to_uppercase()),
        format!("AIza{core}{core}"),
        format!("npm_{core}{core}"),
        format!("eyJhbGciOi.{core}.{core}"),
        format!("-----BEGIN EC PRIVATE KEY-----\n{core}\n-----END EC PRIVATE KEY-----"),
        format!("-----BEGIN PRIVATE KEY-----\\n{core}\\n-----END PRIVATE KEY-----"),
        format!("Bearer {core}"),
        format!("amqp://user:{core}@queue/x"),
        format!("password={core}"),
        format!("\"apiKey\": \"{core}\""),
        format!("{{\\\"client_secret\\\":\\\"{core}\\\"}}"),
        format!("Authorization: Token {core}\n"),
        format!("--access-token {core}"),
    ];
    prop::sample::select(kinds.to_vec())
}

fn secret_with_core() -> impl Strategy<Value = (String, String)> {
    "[a-z0-9]{8}[0-9][a-zA-Z0-9]{11}".prop_flat_map(|core| {
        let canary = core.clone();
        secret(&core).prop_map(move |secret| (secret, canary.clone()))
    })
}

/// Any text; now and then one made of the rules' own pieces.
fn surroundings() -> impl Strategy<Value = String> {
    let pieces = [
        "password",
        "token",
        "=",
        ":",
        " ",
        "\"",
        "\\\"",
        "'",
        "[Filtered]",
        "{",
        "}",
        "Bearer ",
        "https://",
        "@",
        "-----BEGIN ",
        "\n",
        "sk-",
        "eyJ",
        ".",
        "a1B2c3D4",
        "--",
        "Authorization: ",
        "https:\\/\\/",
        "[",
        "]",
        ",",
        ";",
        "ž",
    ];
    prop_oneof![
        ".{0,40}",
        prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..12).prop_map(|pieces| pieces.concat())
    ]
}

/// Texts of which each piece begins what only the end of the text would end.
#[test]
fn a_hostile_text_costs_no_more_than_its_length() {
    const LENGTH: usize = 300_000;
    let pieces = [
        "token=",
        "password:",
        "cookie:",
        "\"password\":{",
        "\"secret\":[",
        "\\\"password\\\":{",
        "secret=\"",
        "secret='",
        "sk-a",
        "ghp_",
        "eyJ",
        "eyJ.",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ",
        "://",
        "https://a:",
        "= ",
        ": ",
        "--token ",
        "Bearer ",
        "basic ",
        "\\",
        "\"",
        "I",
        "{\"a\":",
        "x_y-z.",
        "key: token: ",
        "Authorization: ",
    ];
    let start = std::time::Instant::now();
    for piece in pieces {
        let _ = redact_text(&piece.repeat(LENGTH / piece.len()));
        // By its square it would be hours.
        assert!(start.elapsed() < std::time::Duration::from_secs(60), "{piece:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_secret_never_survives_in_any_surroundings(
        before in surroundings(),
        gap in prop::sample::select(vec![" ", "\n", "\"", "'", "(", ",", ">", "\t"]),
        (secret, core) in secret_with_core(),
        after in surroundings(),
    ) {
        let text = format!("{before}{gap}{secret} {after}");
        let redacted = redact_text(&text);
        prop_assert!(!redacted.contains(&core) && !redacted.contains(&core.to_uppercase()), "{text:?} became {redacted:?}");
    }

    #[test]
    fn no_escape_in_json_hides_a_secret(
        (secret, core) in secret_with_core(),
        escaped in prop::collection::vec(any::<bool>(), 200),
        is_key: bool,
        is_cut: bool,
    ) {
        let escape = |(character, is_escaped): (char, &bool)| match character {
            '\n' if !is_escaped => r"\n".to_owned(),
            '"' | '\\' if !is_escaped => format!("\\{character}"),
            _ if *is_escaped || character.is_control() => format!("\\u{:04x}", u32::from(character)),
            _ => character.to_string(),
        };
        let text: String = secret.chars().zip(escaped.iter().cycle()).map(escape).collect();
        let json = if is_key { format!(r#"{{"a":[{{"{text}":1}}]}}"#) } else { format!(r#"{{"a":["x","{text}"],"n":1}}"#) };
        prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
        // Of a cut text the escapes of quotes, backslashes and line breaks are not read.
        let is_cut = is_cut && !secret.contains(['"', '\\', '\n']);
        let json = if is_cut { format!("{}…", &json[..json.len() - 2]) } else { json };
        let error = ErrorInfo { data: Some(json.clone()), ..ErrorInfo::default() };
        let event =
            McpEvent { arguments: Some(json.clone()), result: Some(json.clone()), error: Some(error), ..McpEvent::default() };
        let redacted = redact_event(&event, Capture::ALL);
        let data = redacted.error.as_ref().and_then(|error| error.data.as_deref());
        for field in [redacted.arguments.as_deref(), redacted.result.as_deref(), data] {
            let field = field.unwrap();
            prop_assert!(!field.contains(&core) && !field.contains(&core.to_uppercase()), "{json} became {field}");
            prop_assert!(field != json, "{json} is left as it was");
        }
    }

    #[test]
    fn redacting_twice_is_redacting_once(text in surroundings(), (secret, _) in secret_with_core(), after in surroundings()) {
        let once = redact_text(&format!("{text}{secret}{after}")).into_owned();
        prop_assert_eq!(redact_text(&once), once.as_str());
    }

    #[test]
    fn texts_of_plain_words_are_never_touched(text in "([A-Za-z]{1,12}|[0-9]{1,9}|[.,;!?()/ ]| ){0,30}") {
        prop_assume!(!["AKIA", "ASIA", "AIza", "eyJ"].iter().any(|prefix| text.contains(prefix)));
        prop_assert_eq!(redact_text(&text), text.as_str());
    }

    #[test]
    fn json_stays_json(password in ".{0,20}", note in ".{0,20}", number: u32) {
        let value = json!({"a": {"password": password, "note": note}, "secret": number, "list": [{"apiKey": [note, number]}]});
        for text in [value.to_string(), serde_json::to_string_pretty(&value).unwrap(), json!({"inner": value.to_string()}).to_string()] {
            let redacted = redact_text(&text);
            prop_assert!(serde_json::from_str::<serde_json::Value>(&redacted).is_ok(), "{text} became {redacted}");
        }
    }
}
