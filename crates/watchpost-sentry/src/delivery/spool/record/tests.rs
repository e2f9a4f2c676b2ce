use proptest::prelude::*;

use super::{reading::body_at, *};
use crate::{
    delivery::{
        encoded::{EncodedSpans, EncodedTransaction},
        foreign,
    },
    wire::TraceId,
};

fn trace() -> DynamicSamplingContext<'static> {
    DynamicSamplingContext {
        trace_id: TraceId([7; 16]),
        public_key: "key".into(),
        sample_rate: Some(0.5),
        sample_rand: Some(0.25),
        sampled: Some(true),
        release: Some("r@1".into()),
        environment: None,
        transaction: None,
        org_id: None,
    }
}

/// A segment with one record of each kind.
fn segment() -> Vec<u8> {
    let mut out = Vec::new();
    write(Item::Log(b"{\"body\":1}"), 11, &mut out);
    write(Item::Span { json: b"{\"name\":2}", ends_segment: true, trace: &trace() }, 22, &mut out);
    write(Item::Sealed(&Parcel::single(Lane::Error, EventId([3; 16]), None, b"{\"e\":3}".to_vec(), 0)), 33, &mut out);
    let mut streamed = EncodedSpans::new();
    streamed.push(b"{}");
    streamed.push(b"{\"s\":4}");
    let transaction = EncodedTransaction {
        event_id: EventId([4; 16]),
        json: b"{\"t\":4}".to_vec(),
        spans: 9,
        streamed: streamed.clone(),
    };
    write(Item::Sealed(&Parcel::transaction(transaction, Some(&trace()))), 44, &mut out);
    write(Item::Sealed(&Parcel::spans(streamed, Box::new(trace()))), 55, &mut out);
    seal(&mut out);
    out
}

#[test]
fn another_sdks_items_read_back_the_same_and_the_key_is_not_on_the_disk() {
    let envelope = b"{\"event_id\":\"1\",\"trace\":{\"a\":1,\"public_key\":\"s3cret\"}}\n\
        {\"type\":\"event\"}\n{}\n{\"type\":\"attachment\",\"length\":3}\n\x00\n\xff\n\
        {\"type\":\"log\",\"item_count\":7}\n{\"items\":[]}\n";
    let mut parcels = foreign::parcels(envelope, "s3cret").unwrap();
    parcels.extend(foreign::parcels(b"{}\n{\"type\":\"transaction\"}\n{\"spans\":[1,2]}", "s3cret").unwrap());
    let mut segment = Vec::new();
    parcels.iter().for_each(|parcel| write(Item::Sealed(parcel), 77, &mut segment));
    seal(&mut segment);
    assert!(memchr::memmem::find(&segment, b"s3cret").is_none());
    let Found { entries, damaged } = scan(&segment);
    assert_eq!((entries.len(), damaged), (3, 0));
    for (entry, parcel) in entries.iter().zip(&parcels) {
        let Some((77, Stored::Sealed(stored))) = read(&segment, entry.offset, "s3cret") else { panic!("{entry:?}") };
        assert_eq!((entry.load, stored.load), (parcel.load, parcel.load));
        assert_eq!((&stored.payload, &stored.head), (&parcel.payload, &parcel.head));
    }
}

#[test]
fn what_is_written_reads_back_the_same() {
    let segment = segment();
    let Found { entries, damaged } = scan(&segment);
    assert_eq!(damaged, 0);
    assert_eq!(entries.iter().map(|entry| entry.accepted_at).collect::<Vec<_>>(), [11, 22, 33, 44, 55]);
    let loads: Vec<_> = entries.iter().map(|entry| entry.load).collect();
    assert_eq!(
        loads,
        [
            Load::new(Lane::Log, 1, 10),
            Load::new(Lane::Span, 1, 10),
            Load::new(Lane::Error, 1, 7),
            Load { spans: 9, streamed: 2, streamed_bytes: 9, ..Load::new(Lane::Transaction, 1, 7) },
            Load::new(Lane::Span, 2, 9),
        ]
    );
    let mut stored = entries.iter().map(|entry| read(&segment, entry.offset, "key").unwrap().1);
    assert!(matches!(stored.next(), Some(Stored::Log(json)) if json == b"{\"body\":1}"));
    assert!(matches!(
        stored.next(),
        Some(Stored::Span { json, ends_segment: true, trace: read }) if json == b"{\"name\":2}" && read == trace()
    ));
    for (stored, entry) in stored.zip(&entries[2..]) {
        let Stored::Sealed(parcel) = stored else { panic!("{stored:?}") };
        assert_eq!(parcel.load, entry.load);
        match entry.accepted_at {
            33 => assert_eq!((parcel.event_id, parcel.trace.is_none()), (Some(EventId([3; 16])), true)),
            44 => {
                assert_eq!((&*parcel.payload, &*parcel.streamed.payload), (&b"{\"t\":4}"[..], &b"{},{\"s\":4}"[..]));
                assert_eq!(parcel.trace.as_deref(), Some(&trace()));
            }
            _ => assert_eq!((&*parcel.payload, &*parcel.ends), (&b"{},{\"s\":4}"[..], &[2, 10][..])),
        }
    }
}

#[test]
fn the_key_is_in_no_record() {
    let secret = DynamicSamplingContext { public_key: "0123456789abcdef".into(), ..trace() };
    let mut segment = Vec::new();
    write(Item::Span { json: b"{}", ends_segment: true, trace: &secret }, 1, &mut segment);
    write(
        Item::Sealed(&Parcel::single(Lane::Error, EventId([3; 16]), Some(&secret), b"{}".to_vec(), 0)),
        2,
        &mut segment,
    );
    seal(&mut segment);
    assert!(!String::from_utf8_lossy(&segment).contains("0123456789abcdef"));
    for entry in scan(&segment).entries {
        let read = match read(&segment, entry.offset, "another").unwrap().1 {
            Stored::Span { trace, .. } => trace,
            Stored::Sealed(parcel) => *parcel.trace.unwrap(),
            Stored::Log(_) => panic!("no log was written"),
        };
        assert_eq!(read, DynamicSamplingContext { public_key: "another".into(), ..trace() });
    }
}

#[test]
fn a_torn_end_costs_only_the_record_it_tore() {
    let segment = segment();
    let whole = scan(&segment).entries;
    for length in 0..segment.len() {
        let found = scan(&segment[..length]);
        let expected = whole.iter().filter(|entry| end(&segment, entry) <= length).count();
        assert_eq!(found.entries, whole[..expected], "cut at {length}");
        let is_between = length == 0 || whole.iter().any(|entry| end(&segment, entry) == length);
        assert_eq!(found.damaged, u64::from(!is_between), "cut at {length}");
    }
}

fn end(segment: &[u8], entry: &Entry) -> usize {
    entry.offset as usize + PREFIX + body_at(segment, entry.offset as usize).unwrap().len()
}

proptest! {
    #[test]
    fn damage_costs_only_the_records_it_hits(at in 0..400_usize, value: u8, extra in proptest::collection::vec(any::<u8>(), 0..40)) {
        let whole = segment();
        let at = at % whole.len();
        let mut damaged = whole.clone();
        damaged[at] = value;
        let hit = |entry: &Entry| (entry.offset as usize..end(&whole, entry)).contains(&at);
        let expected: Vec<_> = scan(&whole).entries.into_iter().filter(|entry| value == whole[at] || !hit(entry)).collect();
        prop_assert_eq!(&scan(&damaged).entries, &expected);
        // Bytes in between are skipped as well.
        let mut shifted = extra.clone();
        shifted.extend_from_slice(&whole);
        prop_assert_eq!(scan(&shifted).entries.len(), 5);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut framed = MAGIC.to_vec();
        framed.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        framed.extend_from_slice(&checksum(&bytes).to_le_bytes());
        framed.extend_from_slice(&bytes);
        for entry in scan(&framed).entries {
            let _ = read(&framed, entry.offset, "key");
        }
    }
}
