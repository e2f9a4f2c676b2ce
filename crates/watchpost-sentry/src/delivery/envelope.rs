//! The envelope of a parcel, written for one send: only what stands around the payload is new.

use hyper::body::Bytes;

use super::{body::Body, lane::Lane, parcel::Parcel};
use crate::wire::{
    CONTAINER_END, ClientReport, DiscardedItems, Envelope, EnvelopeHeader, ITEM_END, ItemKind, SdkInfo, Timestamp,
};

/// Room for the header lines of an envelope of ours and of its first item.
const HEAD_ROOM: usize = 640;

/// The envelope of a parcel, of a client report, or of both, stamped with the moment of sending.
pub(super) fn write_envelope(
    parcel: Option<&Parcel>,
    discarded: &[DiscardedItems],
    sdk: &SdkInfo,
    sent_at: Timestamp,
) -> Body {
    let mut head = Vec::with_capacity(HEAD_ROOM);
    if let Some(foreign) = parcel.and_then(|parcel| parcel.head.as_ref()) {
        foreign.write_line(sent_at, &mut head);
    } else {
        let header = EnvelopeHeader {
            event_id: parcel.and_then(|parcel| parcel.event_id),
            sent_at: Some(sent_at),
            sdk: Some(sdk.clone()),
            trace: parcel.and_then(|parcel| Some(parcel.trace.as_ref()?.borrowed())),
        };
        header.write_line(&mut head);
    }
    let mut head = Envelope::from_written(head);
    let (payload, end) =
        parcel.map_or_else(Default::default, |parcel| (parcel.payload.clone(), begin(parcel, &mut head)));
    let streamed = parcel.map(|parcel| &parcel.streamed).filter(|streamed| !streamed.ends.is_empty());
    let (between, streamed, end) = match streamed {
        Some(streamed) => {
            let mut between = Envelope::from_written(end.to_vec());
            between.begin_container(ItemKind::Span, streamed.ends.len(), streamed.payload.len());
            (between.into_bytes().into(), streamed.payload.clone(), CONTAINER_END)
        }
        None => (Bytes::new(), Bytes::new(), end),
    };
    let tail = if discarded.is_empty() {
        Bytes::from_static(end)
    } else {
        let mut tail = Envelope::from_written(end.to_vec());
        tail.push_client_report(&ClientReport { timestamp: sent_at, discarded: discarded.to_vec() });
        tail.into_bytes().into()
    };
    Body::new(head.into_bytes(), [payload, between, streamed, tail])
}

/// Writes what stands before the payload. The answer is what stands behind it.
fn begin(parcel: &Parcel, head: &mut Envelope) -> &'static [u8] {
    let (items, bytes) = (parcel.ends.len(), parcel.payload.len());
    match parcel.load.lane {
        // Another SDK's items are whole already,
        _ if parcel.head.is_some() => &[],
        // and only its envelopes bring these.
        Lane::Session | Lane::CheckIn | Lane::Metric | Lane::Other => &[],
        Lane::Error => {
            head.begin_item(ItemKind::Event, bytes);
            ITEM_END
        }
        Lane::Transaction => {
            head.begin_item(ItemKind::Transaction, bytes);
            ITEM_END
        }
        Lane::Span => {
            head.begin_container(ItemKind::Span, items, bytes);
            CONTAINER_END
        }
        Lane::Log => {
            head.begin_container(ItemKind::Log, items, bytes);
            CONTAINER_END
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        delivery::{
            encoded::{EncodedSpans, EncodedTransaction},
            foreign,
        },
        wire::{Category, DiscardReason, DynamicSamplingContext, EventId, TraceId},
    };

    const SENT_AT: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);
    const ID: EventId = EventId([7; 16]);

    fn sdk() -> SdkInfo {
        SdkInfo { name: "sdk".into(), version: "1.0".into() }
    }

    fn trace() -> DynamicSamplingContext<'static> {
        DynamicSamplingContext {
            trace_id: TraceId([1; 16]),
            public_key: "key".into(),
            sample_rate: Some(0.25),
            sample_rand: Some(0.1),
            sampled: Some(true),
            release: Some("app@1".into()),
            environment: Some("test".into()),
            transaction: Some("name".into()),
            org_id: Some("1".into()),
        }
    }

    /// The envelope as its parts are written one behind the other.
    fn plain(event_id: Option<EventId>, trace: Option<DynamicSamplingContext<'_>>) -> Envelope {
        Envelope::new(&EnvelopeHeader { event_id, sent_at: Some(SENT_AT), sdk: Some(sdk()), trace })
    }

    fn report(discarded: &[DiscardedItems], envelope: &mut Envelope) {
        if !discarded.is_empty() {
            envelope.push_client_report(&ClientReport { timestamp: SENT_AT, discarded: discarded.to_vec() });
        }
    }

    proptest! {
        #[test]
        fn an_envelope_in_pieces_is_the_one_written_item_by_item(
            json in "\\{\"a\":\"[a-z]{0,40}\"\\}",
            spans in proptest::collection::vec("\\{\"s\":[0-9]{1,9}\\}", 0..4),
            quantity in 0_u64..3,
            with_trace in any::<bool>(),
        ) {
            let reason = DiscardReason::SampleRate;
            let discarded = vec![DiscardedItems { reason, category: Category::Span, quantity }; quantity as usize];
            let context = trace();
            let context = with_trace.then_some(&context);
            let mut streamed = EncodedSpans::new();
            spans.iter().for_each(|span| streamed.push(span.as_bytes()));
            let joined = spans.join(",");
            let check = |parcel: Option<&Parcel>, mut expected: Envelope| {
                report(&discarded, &mut expected);
                assert_eq!(write_envelope(parcel, &discarded, &sdk(), SENT_AT).join(), expected.into_bytes());
            };

            let mut expected = plain(Some(ID), context.cloned());
            expected.push_item(ItemKind::Event, json.as_bytes());
            check(Some(&Parcel::single(Lane::Error, ID, context, json.clone().into_bytes(), 0)), expected);

            let mut expected = plain(Some(ID), context.cloned());
            expected.push_item(ItemKind::Transaction, json.as_bytes());
            expected.push_container(ItemKind::Span, spans.len(), joined.as_bytes());
            let encoded =
                EncodedTransaction { event_id: ID, json: json.clone().into_bytes(), spans: 1, streamed: streamed.clone() };
            check(Some(&Parcel::transaction(encoded, context)), expected);

            if !spans.is_empty() {
                let mut expected = plain(None, Some(trace()));
                expected.push_container(ItemKind::Span, spans.len(), joined.as_bytes());
                check(Some(&Parcel::spans(streamed.clone(), Box::new(trace()))), expected);

                let mut expected = plain(None, None);
                expected.push_container(ItemKind::Log, spans.len(), joined.as_bytes());
                check(Some(&Parcel::batch(Lane::Log, None, streamed.payload, streamed.ends)), expected);
            }
            check(None, plain(None, None));
        }
    }

    #[test]
    fn another_sdks_items_go_as_they_are_with_a_report_behind_them() {
        let item = "{\"type\":\"check_in\",\"length\":2}\n{}\n";
        let parcels = foreign::parcels(format!("{{}}\n{item}").as_bytes(), "key").unwrap();
        let discarded = [DiscardedItems { reason: DiscardReason::SampleRate, category: Category::Span, quantity: 1 }];
        let mut expected =
            Envelope::from_written(format!("{{\"sent_at\":\"{}\"}}\n{item}", SENT_AT.to_rfc3339()).into_bytes());
        report(&discarded, &mut expected);
        assert_eq!(write_envelope(parcels.first(), &discarded, &sdk(), SENT_AT).join(), expected.into_bytes());
    }
}
