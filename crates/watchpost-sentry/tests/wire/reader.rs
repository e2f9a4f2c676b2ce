//! The reader with what Relay takes, with what it refuses and with what nobody should send.

use std::{
    io::{self, BufReader, Read},
    ops::RangeInclusive,
};

use proptest::{collection, prelude::*, sample::Index};
use watchpost_sentry::wire::{Envelope, EnvelopeHeader, EnvelopeReader, ItemKind, RawItem, ReadError, ReadLimits};

type Outcome = (Vec<RawItem>, Option<ReadError>);

/// All items up to the end or the first error.
fn read_from(source: impl io::BufRead, limits: ReadLimits) -> Result<Outcome, ReadError> {
    let mut reader = EnvelopeReader::new(source, limits)?;
    let mut items = Vec::new();
    loop {
        match reader.next_item() {
            Ok(Some(item)) => items.push(item),
            Ok(None) => return Ok((items, None)),
            Err(error) => {
                assert!(matches!(reader.next_item(), Ok(None)), "an item after an error");
                return Ok((items, Some(error)));
            }
        }
    }
}

fn read(text: &str) -> Outcome {
    read_from(text.as_bytes(), ReadLimits::default()).unwrap()
}

fn payloads(items: &[RawItem]) -> Vec<&[u8]> {
    items.iter().map(|item| item.payload.as_slice()).collect()
}

/// Limits changed by `change`.
fn limits(change: impl FnOnce(&mut ReadLimits)) -> ReadLimits {
    let mut limits = ReadLimits::default();
    change(&mut limits);
    limits
}

#[test]
fn an_envelope_of_any_sdk_is_read() {
    let text = concat!(
        r#"{"event_id":"9ec79c33ec9942ab8353589fcb2e04dc","dsn":"https://k@sentry.io/1","#,
        r#""sent_at":"2026-11-20T10:00:00.5Z","#,
        r#""sdk":{"name":"s"},"trace":{"trace_id":"x"},"retries":1}"#,
        "\n",
        r#"{"type":"attachment","length":10,"content_type":"text/plain","#,
        r#""filename":"hello.txt","attachment_type":"event.x"}"#,
        "\n\u{feff}Hello\r\n\n",
        r#"{"type":"event","length":41,"content_type":"application/json","filename":"application.log"}"#,
        "\n{\"message\":\"hello world\",\"level\":\"error\"}\n",
    );
    let mut reader = EnvelopeReader::new(text.as_bytes(), ReadLimits::default()).unwrap();
    let header = reader.header();
    assert_eq!(header.event_id.unwrap().to_string(), "9ec79c33ec9942ab8353589fcb2e04dc");
    assert_eq!(header.sent_at.unwrap().to_rfc3339(), "2026-11-20T10:00:00.500Z");
    assert_eq!(header.dsn.as_deref(), Some("https://k@sentry.io/1"));
    assert_eq!(header.sdk.as_ref().unwrap().name, "s");
    assert_eq!(header.trace.as_ref().unwrap()["trace_id"], "x");
    assert_eq!(header.other.keys().collect::<Vec<_>>(), ["retries"]);

    let attachment = reader.next_item().unwrap().unwrap();
    assert_eq!((attachment.ty.as_str(), attachment.payload.as_slice()), ("attachment", "\u{feff}Hello\r\n".as_bytes()));
    assert_eq!(attachment.content_type.as_deref(), Some("text/plain"));
    assert_eq!(
        (&attachment.header["filename"], &attachment.header["attachment_type"]),
        (&"hello.txt".into(), &"event.x".into())
    );
    let event = reader.next_item().unwrap().unwrap();
    assert_eq!((event.ty.as_str(), event.payload.len()), ("event", 41));
    assert!(reader.next_item().unwrap().is_none());
}

#[test]
fn a_header_field_of_the_wrong_form_is_kept_among_the_others() {
    let reader =
        EnvelopeReader::new(&br#"{"event_id":"short","sent_at":5,"sdk":"x","dsn":null}"#[..], ReadLimits::default());
    let reader = reader.unwrap();
    let header = reader.header();
    assert_eq!((header.event_id, header.sent_at, &header.sdk, &header.dsn), (None, None, &None, &None));
    assert_eq!(header.other.len(), 4);
}

#[test]
fn an_item_without_length_ends_at_the_newline_or_the_end() {
    let (items, error) = read("{}\n{\"type\":\"a\"}\none\n{\"type\":\"b\",\"length\":null}\n\n{\"type\":\"c\"}\nlast");
    assert!(error.is_none());
    assert_eq!(payloads(&items), [&b"one"[..], b"", b"last"]);
    let (items, error) = read("{}\n{\"type\":\"a\"}");
    assert!(error.is_none());
    assert_eq!(payloads(&items), [b""]);
}

#[test]
fn crlf_and_blank_lines_are_taken() {
    let (items, error) =
        read("{}\r\n\r\n{\"type\":\"a\",\"length\":2}\r\n{}\r\n\n \n{\"type\":\"b\",\"length\":0}\n\n\r\n\n");
    assert!(error.is_none());
    assert_eq!(payloads(&items), [&b"{}"[..], b""]);
}

#[test]
fn an_envelope_without_items_has_none() {
    for text in ["{}", "{}\n", "{}\n\n\r\n"] {
        let (items, error) = read(text);
        assert!(items.is_empty() && error.is_none(), "{text:?}");
    }
}

#[test]
fn a_cut_off_item_is_an_error_that_keeps_the_items_before_it() {
    let (items, error) = read("{}\n{\"type\":\"a\",\"length\":2}\n{}\n{\"type\":\"b\",\"length\":9}\n{\"x\":");
    assert_eq!(payloads(&items), [b"{}"]);
    assert!(matches!(error, Some(ReadError::Truncated { item: 2, expected: 9, found: 5 })));
}

#[test]
fn a_claimed_length_sets_no_memory_aside() {
    let generous = limits(|limits| (limits.item, limits.envelope) = (u64::MAX, u64::MAX));
    for length in [1_000_000_000_000, u64::MAX / 2] {
        let text = format!("{{}}\n{{\"type\":\"a\",\"length\":{length}}}\nx");
        let (items, error) = read_from(text.as_bytes(), generous).unwrap();
        assert!(items.is_empty());
        assert!(matches!(error, Some(ReadError::Truncated { expected, found: 1, .. }) if expected == length));
    }
}

#[test]
fn what_is_no_envelope_is_refused() {
    let open = |text: &str| EnvelopeReader::new(text.as_bytes(), ReadLimits::default()).map(drop);
    assert!(matches!(open(""), Err(ReadError::Empty)));
    assert!(matches!(open("\n{}"), Err(ReadError::InvalidHeader(Some(_)))));
    assert!(matches!(open("[]"), Err(ReadError::InvalidHeader(None))));
    assert!(matches!(open("nonsense"), Err(ReadError::InvalidHeader(Some(_)))));
    let deep = "[".repeat(60_000);
    assert!(matches!(open(&deep), Err(ReadError::InvalidHeader(Some(_)))));
    let not_utf8 = EnvelopeReader::new(&b"{\"a\":\"\xff\"}"[..], ReadLimits::default()).map(drop);
    assert!(matches!(not_utf8, Err(ReadError::InvalidHeader(Some(_)))));
}

#[test]
fn what_is_no_item_is_refused() {
    let error = |item: &str| read(&format!("{{}}\n{item}")).1;
    assert!(matches!(error("oops"), Some(ReadError::InvalidItemHeader { item: 1, source: Some(_) })));
    assert!(matches!(error("7\n"), Some(ReadError::InvalidItemHeader { item: 1, source: None })));
    assert!(matches!(error("{}\n"), Some(ReadError::MissingType { item: 1 })));
    assert!(matches!(error("{\"type\":5}\n"), Some(ReadError::MissingType { item: 1 })));
    for length in ["-1", "1.5", "\"2\"", "1e3", "99999999999999999999"] {
        let item = format!("{{\"type\":\"a\",\"length\":{length}}}\n{{}}");
        assert!(matches!(error(&item), Some(ReadError::InvalidLength { item: 1 })), "{length}");
    }
    for rest in ["xy\n", "x", "  \n", "\r\r\n"] {
        let item = format!("{{\"type\":\"a\",\"length\":2}}\n{{}}{rest}");
        assert!(matches!(error(&item), Some(ReadError::MissingNewline { item: 1 })), "{rest:?}");
    }
}

#[test]
fn each_limit_holds_to_the_byte() {
    let text = "{\"a\":\"b\"}\n{\"type\":\"a\",\"length\":4}\nabcd\n{\"type\":\"b\"}\nefgh\n";
    let total = text.len() as u64;
    let with = |change: fn(&mut ReadLimits)| read_from(text.as_bytes(), limits(change));

    assert!(with(|limits| limits.header_line = 23).unwrap().1.is_none());
    assert!(matches!(with(|limits| limits.header_line = 22).unwrap().1, Some(ReadError::HeaderTooLong { limit: 22 })));
    assert!(matches!(with(|limits| limits.header_line = 8), Err(ReadError::HeaderTooLong { limit: 8 })));
    assert!(with(|limits| limits.item = 4).unwrap().1.is_none());
    assert!(matches!(with(|limits| limits.item = 3).unwrap().1, Some(ReadError::ItemTooLarge { item: 1, limit: 3 })));
    assert!(with(|limits| limits.items = 2).unwrap().1.is_none());
    assert!(matches!(with(|limits| limits.items = 1).unwrap().1, Some(ReadError::TooManyItems { limit: 1 })));
    assert!(read_from(text.as_bytes(), limits(|limits| limits.envelope = total)).unwrap().1.is_none());
    for envelope in 0..total {
        let limits = limits(|limits| limits.envelope = envelope);
        let error = match read_from(text.as_bytes(), limits) {
            Ok((_, error)) => error.unwrap(),
            Err(error) => error,
        };
        assert!(matches!(error, ReadError::EnvelopeTooLarge { limit } if limit == envelope), "{envelope}: {error}");
    }
}

#[test]
fn a_line_without_end_is_given_up_at_the_limit() {
    let endless = BufReader::new(b"{}\n".chain(io::repeat(b'x')));
    let (_, error) = read_from(endless, ReadLimits::default()).unwrap();
    assert!(matches!(error, Some(ReadError::HeaderTooLong { .. })));
    let blank = BufReader::new(b"{}\n".chain(io::repeat(b'\n')));
    let (_, error) = read_from(blank, limits(|limits| limits.envelope = 10_000)).unwrap();
    assert!(matches!(error, Some(ReadError::EnvelopeTooLarge { limit: 10_000 })));
}

/// A source that fails when it is read.
struct Broken(io::ErrorKind);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(self.0.into())
    }
}

#[test]
fn an_item_is_handed_out_before_what_follows_it_is_read() {
    let source =
        BufReader::with_capacity(1, b"{}\n{\"type\":\"a\",\"length\":2}\n{}\n".chain(Broken(io::ErrorKind::TimedOut)));
    let (items, error) = read_from(source, ReadLimits::default()).unwrap();
    assert_eq!(payloads(&items), [b"{}"]);
    assert!(matches!(error, Some(ReadError::Io(error)) if error.kind() == io::ErrorKind::TimedOut));
}

/// A source interrupted before every read.
struct Interrupted<R>(R, bool);

impl<R: Read> Read for Interrupted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 { Err(io::ErrorKind::Interrupted.into()) } else { self.0.read(buffer) }
    }
}

#[test]
fn an_interrupted_read_is_repeated() {
    let source = BufReader::with_capacity(3, Interrupted(&b"{}\n{\"type\":\"a\",\"length\":2}\n{}\n"[..], false));
    let (items, error) = read_from(source, ReadLimits::default()).unwrap();
    assert!(error.is_none());
    assert_eq!(payloads(&items), [b"{}"]);
}

/// An envelope of some payloads of any bytes, and for each the lengths of the envelope at which that item is the last
/// whole one and nothing of the next is there: the newline at its end may be missing, and that after the header of an
/// empty one.
fn envelope() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<RangeInclusive<usize>>, Vec<u8>)> {
    let json_like = "[{}\\[\\]\"\n\r,:a0]{0,40}".prop_map(String::into_bytes);
    let payload = prop_oneof![collection::vec(any::<u8>(), 0..60), json_like];
    collection::vec(payload, 0..6).prop_map(|payloads| {
        let mut envelope = Envelope::new(&EnvelopeHeader::default());
        let mut ends = Vec::new();
        for payload in &payloads {
            envelope.push_item(ItemKind::Event, payload);
            let optional = if payload.is_empty() { 2 } else { 1 };
            ends.push(envelope.len() - optional..=envelope.len());
        }
        (payloads, ends, envelope.into_bytes())
    })
}

proptest! {
    #[test]
    fn any_payload_reads_back_the_same_however_it_arrives((expected, _, bytes) in envelope(), capacity in 1_usize..40) {
        let (items, error) = read_from(BufReader::with_capacity(capacity, &bytes[..]), ReadLimits::default()).unwrap();
        prop_assert!(error.is_none());
        prop_assert_eq!(payloads(&items), expected);
    }

    #[test]
    fn of_a_cut_off_envelope_all_whole_items_are_read((expected, ends, bytes) in envelope(), cut in any::<Index>()) {
        let cut = cut.index(bytes.len() + 1).max(3);
        let (items, error) = read_from(&bytes[..cut], ReadLimits::default()).unwrap();
        let whole = ends.iter().filter(|end| *end.start() <= cut).count();
        prop_assert_eq!(payloads(&items), &expected[..whole]);
        prop_assert_eq!(error.is_none(), cut == 3 || ends.iter().any(|end| end.contains(&cut)));
    }

    #[test]
    fn a_damaged_envelope_is_read_or_refused_without_panic(
        (expected, _, mut bytes) in envelope(),
        damage in collection::vec((any::<Index>(), any::<u8>(), 0_u8..3), 1..6),
    ) {
        for (index, byte, kind) in damage {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => {}
            }
        }
        if let Ok((items, _)) = read_from(&bytes[..], limits(|limits| limits.items = 20)) {
            let read: usize = items.iter().map(|item| item.payload.len()).sum();
            prop_assert!(read <= bytes.len() && items.len() <= 20 && expected.len() < 6);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_panic(
        bytes in collection::vec(any::<u8>(), 0..200),
        lines in "([{]\"type\":\"a\"(,\"length\":[0-9]{1,20})?[}]\n|[a-z{}\"]{0,9}\n){0,6}",
        header_line in 0_usize..60, item in 0_u64..60, envelope in 0_u64..300, items in 0_usize..4,
    ) {
        let limits = limits(|limits| {
            (limits.header_line, limits.item, limits.envelope, limits.items) = (header_line, item, envelope, items);
        });
        let _ = read_from(&bytes[..], limits);
        let text = format!("{{}}\n{lines}");
        if let Ok((read, _)) = read_from(&[text.as_bytes(), &bytes].concat()[..], limits) {
            prop_assert!(read.len() <= items);
            prop_assert!(read.iter().all(|one| one.payload.len() as u64 <= item));
        }
    }
}
