//! DSNs: AgentCat's cases read rightly, each way to be wrong told apart, keys never shown.

use hyper::Uri;
use proptest::prelude::*;
use watchpost_sentry::wire::{Dsn, DsnError, Scheme};

fn parse(text: &str) -> Result<Dsn, DsnError> {
    text.parse()
}

#[test]
fn agentcats_cases_are_read_rightly() {
    let cases: Vec<serde_json::Value> = serde_json::from_str(include_str!("../fixtures/dsn-cases.json")).unwrap();
    let right = [
        ("https://key@o123456.ingest.sentry.io/789", Ok("https://o123456.ingest.sentry.io/api/789/envelope/")),
        ("https://0123abcd@o123456.ingest.sentry.io/789", Ok("https://o123456.ingest.sentry.io/api/789/envelope/")),
        ("https://0123abcd@o1.ingest.us.sentry.io/4505", Ok("https://o1.ingest.us.sentry.io/api/4505/envelope/")),
        ("http://0123abcd@127.0.0.1:9000/1", Ok("http://127.0.0.1:9000/api/1/envelope/")),
        ("http://0123abcd@localhost/1", Ok("http://localhost/api/1/envelope/")),
        ("https://0123abcd@sentry.example.com/pre/fix/7", Ok("https://sentry.example.com/pre/fix/api/7/envelope/")),
        ("https://0123abcd@sentry.example.com:8443/pre/7", Ok("https://sentry.example.com:8443/pre/api/7/envelope/")),
        ("https://0123ABCD@o1.ingest.sentry.io/1", Ok("https://o1.ingest.sentry.io/api/1/envelope/")),
        ("https://0123abcd:deadbeef@o1.ingest.sentry.io/1", Ok("https://o1.ingest.sentry.io/api/1/envelope/")),
        ("https://0123abcd@[::1]:9000/1", Ok("https://[::1]:9000/api/1/envelope/")),
        ("https://0123abcd@o1.ingest.sentry.io/1/", Ok("https://o1.ingest.sentry.io/api/1/envelope/")),
        ("https://0123abcd@o1.ingest.sentry.io/1?x=1", Err(DsnError::Query)),
        ("https://0123abcd@o1.ingest.sentry.io/", Err(DsnError::MissingProjectId)),
        ("https://0123abcd@o1.ingest.sentry.io/abc", Ok("https://o1.ingest.sentry.io/api/abc/envelope/")),
        ("https://@o1.ingest.sentry.io/1", Err(DsnError::MissingKey)),
        ("ftp://0123abcd@o1.ingest.sentry.io/1", Err(DsnError::UnknownScheme)),
        (" https://0123abcd@o1.ingest.sentry.io/1", Ok("https://o1.ingest.sentry.io/api/1/envelope/")),
        ("https://0123abcd@under_score.host/1", Ok("https://under_score.host/api/1/envelope/")),
        ("", Err(DsnError::Empty)),
        // An empty path segment is a slip of the hand; no server is installed under one.
        ("https://0123abcd@o1.ingest.sentry.io//1", Ok("https://o1.ingest.sentry.io/api/1/envelope/")),
    ];
    assert_eq!(cases.len(), right.len());
    for (case, (text, expected)) in cases.iter().zip(right) {
        assert_eq!(case["dsn"], text);
        let read = parse(text);
        assert_eq!(read.as_ref().map(Dsn::envelope_url).map_err(|error| *error), expected.map(str::to_owned), "{text}");
        if let (Ok(dsn), Some(key)) = (read, case["auth_tail"].as_str()) {
            assert!(dsn.auth_header("c/1").ends_with(&format!("sentry_key={key}")), "{text}");
        }
    }
}

#[test]
fn the_parts_are_read_as_strings() {
    let dsn = parse("HTTPS://Pub-Key.1:s3cret@O42.Ingest.DE.sentry.io:8443/team/a/PROJ_9").unwrap();
    assert_eq!(dsn.scheme(), Scheme::Https);
    assert_eq!(dsn.public_key(), "Pub-Key.1");
    assert_eq!(dsn.secret_key(), Some("s3cret"));
    assert_eq!(dsn.host(), "o42.ingest.de.sentry.io");
    assert_eq!(dsn.port(), 8443);
    assert_eq!(dsn.path(), "/team/a");
    assert_eq!(dsn.project_id(), "PROJ_9");
    assert_eq!(dsn.org_id(), Some("42"));
    assert!(dsn.is_sentry_io());
    assert_eq!(dsn.envelope_url(), "https://o42.ingest.de.sentry.io:8443/team/a/api/PROJ_9/envelope/");
    let header =
        "Sentry sentry_version=7, sentry_client=watchpost.rust/0.1.0, sentry_key=Pub-Key.1, sentry_secret=s3cret";
    assert_eq!(dsn.auth_header("watchpost.rust/0.1.0"), header);
}

#[test]
fn the_port_follows_the_scheme_when_none_is_given() {
    assert_eq!(parse("http://k@h/1").unwrap().port(), 80);
    assert_eq!(parse("https://k@h/1").unwrap().port(), 443);
    assert_eq!(parse("https://k@[2001:DB8::1]/1").unwrap().envelope_url(), "https://[2001:db8::1]/api/1/envelope/");
}

#[test]
fn each_way_to_be_wrong_has_its_own_error() {
    let long = format!("https://k@{}.io/1", "h".repeat(2048));
    let long_host = format!("https://k@{}/1", "label.".repeat(50));
    for (text, error) in [
        ("", DsnError::Empty),
        (" \t\n", DsnError::Empty),
        (long.as_str(), DsnError::TooLong),
        ("https://k@h/1\r\nX-Evil: 1", DsnError::Whitespace),
        ("https://k\n@h/1", DsnError::Whitespace),
        ("https://k@h/p q/1", DsnError::Whitespace),
        ("https://k@h/1\0", DsnError::Whitespace),
        ("https://k@h/\u{7f}1", DsnError::Whitespace),
        ("https://k@h\u{a0}x/1", DsnError::Whitespace),
        ("https://k@bücher.example/1", DsnError::NotAscii),
        ("https://k@h/prøject", DsnError::NotAscii),
        ("k@h/1", DsnError::MissingScheme),
        ("https:/k@h/1", DsnError::MissingScheme),
        ("://k@h/1", DsnError::MissingScheme),
        ("ftp://k@h/1", DsnError::UnknownScheme),
        ("https ://k@h/1", DsnError::Whitespace),
        ("https://k@h/1?project=2", DsnError::Query),
        ("https://k@h?x/1", DsnError::Query),
        ("https://k@h/1#top", DsnError::Fragment),
        ("https://h/1", DsnError::MissingKey),
        ("https://@h/1", DsnError::MissingKey),
        ("https://:secret@h/1", DsnError::MissingKey),
        ("https://a@b@h/1", DsnError::InvalidKey),
        ("https://a,b@h/1", DsnError::InvalidKey),
        ("https://a\"b@h/1", DsnError::InvalidKey),
        ("https://k:s:t@h/1", DsnError::InvalidSecret),
        ("https://k:s,t@h/1", DsnError::InvalidSecret),
        ("https://k@/1", DsnError::MissingHost),
        ("https://k@:9000/1", DsnError::MissingHost),
        ("https://k@h..x/1", DsnError::InvalidHost),
        ("https://k@.h/1", DsnError::InvalidHost),
        ("https://k@h%41/1", DsnError::InvalidHost),
        (long_host.as_str(), DsnError::InvalidHost),
        ("https://k@[::1/1", DsnError::InvalidHost),
        ("https://k@[::g]/1", DsnError::InvalidHost),
        ("https://k@[fe80::1%25eth0]/1", DsnError::InvalidHost),
        ("https://k@[::1]9000/1", DsnError::InvalidHost),
        ("https://k@::1/1", DsnError::MissingHost),
        ("https://k@fe80::1/1", DsnError::InvalidPort),
        ("https://k@h:/1", DsnError::InvalidPort),
        ("https://k@h:0/1", DsnError::InvalidPort),
        ("https://k@h:65536/1", DsnError::InvalidPort),
        ("https://k@h:+80/1", DsnError::InvalidPort),
        ("https://k@h:http/1", DsnError::InvalidPort),
        ("https://k@h/../1", DsnError::InvalidPath),
        ("https://k@h/<p>/1", DsnError::InvalidPath),
        ("https://k@h", DsnError::MissingProjectId),
        ("https://k@h/", DsnError::MissingProjectId),
        ("https://k@h//", DsnError::MissingProjectId),
        ("https://k@h/..", DsnError::InvalidProjectId),
        ("https://k@h/a%2Fb", DsnError::InvalidProjectId),
        ("https://k@h/{id}", DsnError::InvalidProjectId),
    ] {
        assert_eq!(parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn an_error_says_what_is_wrong_and_what_a_dsn_looks_like() {
    let message = parse("https://h/1").unwrap_err().to_string();
    assert_eq!(
        message,
        "the DSN has no public key before an @; a DSN looks like https://KEY@o123.ingest.sentry.io/456 \
         (Sentry: Settings > Projects > Client Keys)"
    );
}

#[test]
fn whitespace_around_and_an_empty_secret_are_forgiven() {
    let plain = parse("https://k@h/1").unwrap();
    assert_eq!(parse("\n https://k@h/1 \r\n"), Ok(plain.clone()));
    assert_eq!(parse("https://k:@h/1"), Ok(plain));
}

#[test]
fn only_sentrys_own_hosts_are_sentry_io() {
    for host in ["sentry.io", "o1.ingest.us.sentry.io", "Sentry.IO", "o1.ingest.sentry.io."] {
        assert!(parse(&format!("https://k@{host}/1")).unwrap().is_sentry_io(), "{host}");
    }
    for host in ["notsentry.io", "sentry.io.example.com", "sentry.example.com", "localhost"] {
        assert!(!parse(&format!("https://k@{host}/1")).unwrap().is_sentry_io(), "{host}");
    }
}

#[test]
fn only_this_machine_is_loopback() {
    for host in ["localhost", "LOCALHOST", "a.localhost", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]"] {
        assert!(parse(&format!("http://k@{host}/1")).unwrap().is_loopback(), "{host}");
    }
    for host in ["localhost.example.com", "128.0.0.1", "127.0.0.1.example.com", "[::2]", "0.0.0.0"] {
        assert!(!parse(&format!("http://k@{host}/1")).unwrap().is_loopback(), "{host}");
    }
}

#[test]
fn the_organisation_is_only_read_from_a_host_that_starts_with_it() {
    for (host, org_id) in
        [("o7.ingest.sentry.io", Some("7")), ("o7", None), ("ok.sentry.io", None), ("o.sentry.io", None)]
    {
        assert_eq!(parse(&format!("https://k@{host}/1")).unwrap().org_id(), org_id, "{host}");
    }
}

#[test]
fn a_clients_name_cannot_break_the_auth_header() {
    let header = parse("https://k@h/1").unwrap().auth_header("a, sentry_key=x\r\nb/ü");
    assert_eq!(header, "Sentry sentry_version=7, sentry_client=a__sentry_key=x__b/_, sentry_key=k");
}

/// Near a DSN, so that more than the first check is reached.
fn almost_a_dsn() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("https://".to_owned()),
        Just("http://".to_owned()),
        Just("key".to_owned()),
        Just("@".to_owned()),
        Just(":".to_owned()),
        Just("/".to_owned()),
        Just("[::1]".to_owned()),
        Just("o1.sentry.io".to_owned()),
        "[0-9]{1,6}",
        "\\PC{0,3}",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn what_is_accepted_is_safe_in_a_url_and_a_header(text in almost_a_dsn()) {
        if let Ok(dsn) = parse(&text) {
            let uri: Uri = dsn.envelope_url().parse().unwrap();
            prop_assert_eq!(uri.host().unwrap().trim_matches(['[', ']']), dsn.host());
            prop_assert_eq!(uri.port_u16().unwrap_or(dsn.scheme().default_port()), dsn.port());
            let expected = format!("{}/api/{}/envelope/", dsn.path(), dsn.project_id());
            prop_assert_eq!(uri.path_and_query().unwrap().as_str(), expected);
            let header = dsn.auth_header("c/1");
            prop_assert!(header.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert_eq!(header.matches(',').count(), if dsn.secret_key().is_some() { 3 } else { 2 });
        }
    }

    #[test]
    fn every_well_formed_dsn_is_taken_apart_as_it_was_put_together(
        key in "[A-Za-z0-9._~-]{1,40}",
        secret in proptest::option::of("[A-Za-z0-9]{1,40}"),
        host in "[a-z0-9_-]{1,12}(\\.[a-z0-9_-]{1,12}){0,3}",
        port in proptest::option::of(1_u16..),
        path in "(/[A-Za-z0-9_%~-]{1,8}){0,3}",
        project_id in "[A-Za-z0-9_-]{1,20}",
    ) {
        let secret_part = secret.as_ref().map(|secret| format!(":{secret}")).unwrap_or_default();
        let port_part = port.map(|port| format!(":{port}")).unwrap_or_default();
        let dsn = parse(&format!("https://{key}{secret_part}@{host}{port_part}{path}/{project_id}")).unwrap();
        prop_assert_eq!(dsn.public_key(), key);
        prop_assert_eq!(dsn.secret_key(), secret.as_deref());
        prop_assert_eq!(dsn.host(), &host);
        prop_assert_eq!(dsn.port(), port.unwrap_or(443));
        prop_assert_eq!(dsn.path(), &path);
        prop_assert_eq!(dsn.project_id(), &project_id);
        let masked = format!("https://***@{host}{port_part}{path}/{project_id}");
        prop_assert_eq!(dsn.to_string(), masked);
    }

    #[test]
    fn neither_key_nor_secret_is_ever_shown(
        key in "k[0-9]{15}",
        secret in "s[0-9]{15}",
        shape in proptest::sample::select(vec![
            "https://K:S@h/1", "K:S@h/1", "K://K:S@h/1", "https://K:S", "https://K:S@", "https://K:S@h",
            "https://K:S@h:x/1",
            "https://K:S@h/1?K=S", "https://K,:S@h/1", "https://K:S,@h/1", "https://K:S@[x]/1", "https://K:S@h/{}",
            "https://K:S@h/../1", "https://K:S@h/ü", "https://K:S@h/ 1", "https:K:S@h/1", "https://K/S@h/1",
        ]),
    ) {
        let shown = match parse(&shape.replace('K', &key).replace('S', &secret)) {
            Ok(dsn) => format!("{dsn} {dsn:?} {dsn:#?}"),
            Err(error) => format!("{error} {error:?} {error:#?}"),
        };
        prop_assert!(!shown.contains(&key) && !shown.contains(&secret), "{}", shown);
    }

    #[test]
    fn any_text_is_read_or_refused_without_panic(text in any::<String>()) {
        let _ = parse(&text);
    }
}
