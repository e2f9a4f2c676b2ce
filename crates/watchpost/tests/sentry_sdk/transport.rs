//! Our delivery as the transport of a `sentry` client.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use sentry::{
    Envelope, Hub, Level,
    protocol::{
        Attachment, EnvelopeItem, Event, Log, LogLevel, Metric, MetricType, MonitorCheckIn, MonitorCheckInStatus,
        SessionAttributes, SessionStatus, SessionUpdate, Transaction,
    },
    types::Uuid,
};
use tracing_subscriber::{Layer as _, layer::SubscriberExt as _};
use watchpost::sentry_sdk::{DeliveryTransport, DeliveryTransportFactory};
use watchpost_sentry::{
    delivery::{Delivery, DeliveryConfig, DropReason, SpoolConfig},
    wire::Category,
};

use crate::sink::{PATIENCE, Reply, Sink, items};

fn client(sink: &Sink, transport: DeliveryTransportFactory) -> Arc<sentry::Client> {
    let options = sentry::ClientOptions::new().transport(transport);
    Arc::new(sentry::Client::from((sink.dsn.as_str(), sentry::apply_defaults(options))))
}

fn spooled(folder: &Path) -> DeliveryTransportFactory {
    let folder = folder.to_owned();
    DeliveryTransportFactory::new().configure(move |config| config.with_spool(SpoolConfig::new(&folder)))
}

fn event(message: &str) -> Event<'static> {
    Event { message: Some(message.to_owned()), level: Level::Error, ..Event::default() }
}

/// An envelope as `sentry`'s own transports would send it.
fn bytes(envelope: &Envelope) -> Vec<u8> {
    let mut bytes = Vec::new();
    envelope.to_writer(&mut bytes).unwrap();
    bytes
}

/// Every type of item that there is.
fn all_items() -> Envelope {
    let now = SystemTime::now();
    let id = Uuid::from_u128;
    let mut envelope = Envelope::new();
    envelope.add_item(Event { event_id: id(1), ..event("with everything \u{1f980}\n") });
    envelope.add_item(Attachment {
        buffer: b"\x00\n\xff{}\n{\"type\":\"event\"}\n".to_vec(),
        filename: "core.bin".to_owned(),
        ..Attachment::default()
    });
    envelope.add_item(SessionUpdate {
        session_id: id(2),
        distinct_id: None,
        sequence: None,
        timestamp: None,
        started: now,
        init: true,
        duration: None,
        status: SessionStatus::Ok,
        errors: 1,
        attributes: SessionAttributes {
            release: "app@1".into(),
            environment: None,
            ip_address: None,
            user_agent: None,
        },
    });
    envelope.add_item(MonitorCheckIn {
        check_in_id: id(3),
        monitor_slug: "nightly".to_owned(),
        status: MonitorCheckInStatus::Ok,
        environment: None,
        duration: None,
        monitor_config: None,
    });
    envelope.add_item(EnvelopeItem::from(vec![Log {
        level: LogLevel::Info,
        body: "a log".to_owned(),
        trace_id: None,
        timestamp: now,
        severity_number: None,
        attributes: Default::default(),
    }]));
    envelope.add_item(EnvelopeItem::from(vec![Metric {
        r#type: MetricType::Counter,
        name: "calls".into(),
        value: 1.0,
        timestamp: now,
        trace_id: Default::default(),
        span_id: None,
        unit: None,
        attributes: Default::default(),
    }]));
    envelope
}

/// Types and payloads, in an order of their own.
fn sorted(items: Vec<watchpost_sentry::wire::RawItem>) -> Vec<(String, Vec<u8>)> {
    let mut items: Vec<_> = items.into_iter().map(|item| (item.ty, item.payload.to_vec())).collect();
    items.sort();
    items
}

#[test]
fn every_type_of_item_arrives_byte_for_byte() {
    let sink = Sink::start();
    let client = client(&sink, DeliveryTransportFactory::new());
    let transaction: Envelope = Transaction { name: Some("t".to_owned()), ..Transaction::default() }.into();
    let raw = b"{\"event_id\":\"00000000000000000000000000000009\"}\n{\"type\":\"from the future\",\"length\":4,\"x\":[1]}\n\n\n\xf0\n\n"
        .to_vec();
    let envelopes = [all_items(), transaction, Envelope::from_bytes_raw(raw).unwrap()];
    let expected: Vec<_> = envelopes.iter().flat_map(|envelope| items(&bytes(envelope))).collect();
    for envelope in envelopes {
        client.send_envelope(envelope);
    }
    assert!(client.flush(Some(PATIENCE)));
    assert_eq!(sorted(sink.items()), sorted(expected));
    let [main] = &sink
        .envelopes()
        .into_iter()
        .filter(|envelope| envelope.windows(8).any(|w| w == b"core.bin"))
        .collect::<Vec<_>>()[..]
    else {
        panic!("the attachment travels with its event")
    };
    let kinds: Vec<_> = items(main).into_iter().map(|item| item.ty).collect();
    assert_eq!(kinds, ["event", "attachment"]);
}

#[test]
fn what_the_client_captures_itself_arrives_sessions_and_scopes_and_all() {
    let sink = Sink::start();
    let options = sentry::ClientOptions::new().release("app@1").transport(DeliveryTransportFactory::new());
    let client = Arc::new(sentry::Client::from((sink.dsn.as_str(), options)));
    Hub::run(Arc::new(Hub::new(Some(Arc::clone(&client)), Arc::default())), || {
        sentry::start_session();
        sentry::configure_scope(|scope| {
            scope.add_attachment(Attachment {
                buffer: b"a file".to_vec(),
                filename: "a.txt".to_owned(),
                ..Attachment::default()
            });
        });
        sentry::capture_message("with a file", Level::Error);
        sentry::end_session();
    });
    assert!(client.close(Some(PATIENCE)));
    let mut kinds: Vec<String> = sink.items().into_iter().map(|item| item.ty).collect();
    kinds.sort();
    assert_eq!(kinds[..2], ["attachment", "event"], "{kinds:?}");
    assert!(kinds[2..].iter().all(|kind| kind == "session") && kinds.len() > 2, "{kinds:?}");
}

#[test]
fn an_outage_that_outlasts_the_client_costs_nothing_with_a_spool() {
    let folder = tempfile::tempdir().unwrap();
    let up = Arc::new(AtomicBool::new(false));
    let is_up = Arc::clone(&up);
    let sink = Sink::scripted(move |_| if is_up.load(Ordering::SeqCst) { Reply::Ok } else { Reply::Cut });
    {
        let client = client(&sink, spooled(folder.path()));
        for number in 0..50 {
            client.capture_event(event(&format!("outage {number}")), None);
        }
        client.send_envelope(all_items());
        assert!(!client.close(Some(Duration::from_millis(300))), "nothing could be sent");
    }
    assert!(sink.envelopes().is_empty());
    up.store(true, Ordering::SeqCst);
    let client = client(&sink, spooled(folder.path()));
    client.capture_event(event("after the outage"), None);
    assert!(client.close(Some(PATIENCE)));
    let messages: std::collections::BTreeSet<String> =
        sink.payloads("event").iter().map(|event| event["message"].as_str().unwrap().to_owned()).collect();
    assert_eq!(messages.len(), 52, "{messages:?}");
    let count = |ty: &str| sink.items().iter().filter(|item| item.ty == ty).count();
    assert_eq!(["attachment", "session", "check_in", "log", "trace_metric"].map(count), [1; 5]);
}

#[test]
fn what_is_answered_with_429_waits_in_the_spool_while_other_kinds_pass() {
    let folder = tempfile::tempdir().unwrap();
    let refused = Arc::new(AtomicUsize::new(0));
    let refusals = Arc::clone(&refused);
    let sink = Sink::scripted(move |envelope| {
        if envelope.contains("\"type\":\"event\"") && refusals.fetch_add(1, Ordering::SeqCst) == 0 {
            return Reply::Limit(429, "2:error:organization");
        }
        Reply::Ok
    });
    let client = client(&sink, spooled(folder.path()));
    client.capture_event(event("first"), None);
    assert!(!client.flush(Some(Duration::from_millis(400))), "it waits");
    client.capture_event(event("second"), None);
    client.send_envelope(Transaction { name: Some("passes".to_owned()), ..Transaction::default() }.into());
    sink.wait_for_events(|event| event["message"] == "first" || event["message"] == "second", 2);
    assert!(client.close(Some(PATIENCE)));
    let kinds: Vec<String> = sink.items().into_iter().map(|item| item.ty).collect();
    assert_eq!(kinds[0], "transaction", "{kinds:?}");
    assert_eq!(refused.load(Ordering::SeqCst), 3);
}

#[test]
fn a_server_that_says_nothing_holds_up_neither_a_flush_nor_the_end() {
    let sink = Sink::scripted(|_| Reply::Hang);
    // A request is never given up: whoever waited for one would wait for ever.
    let patient = |config: DeliveryConfig| config.with_request_timeout(Duration::from_secs(365 * 24 * 60 * 60));
    let client = client(&sink, DeliveryTransportFactory::new().configure(patient));
    for number in 0..100 {
        client.capture_event(event(&number.to_string()), None);
    }
    assert!(!client.flush(Some(Duration::from_millis(100))));
    assert!(!client.close(Some(Duration::from_millis(200))));
}

#[test]
fn a_shared_delivery_outlives_its_clients_and_counts_what_they_sent() {
    let sink = Sink::start();
    let delivery = Delivery::start(DeliveryConfig::new(sink.dsn.parse().unwrap())).unwrap();
    for number in 0..2 {
        let transport = Arc::new(DeliveryTransport::shared(delivery.clone()));
        let options = sentry::ClientOptions::new().transport(transport);
        let client = sentry::Client::from((sink.dsn.as_str(), options));
        client.capture_event(event(&number.to_string()), None);
        assert!(client.close(Some(PATIENCE)));
    }
    let outcome = delivery.shutdown(PATIENCE);
    assert_eq!((outcome.tally(Category::Error).sent, outcome.dropped()), (2, 0));
}

#[test]
fn a_notice_about_an_envelope_does_not_become_an_event_that_comes_back() {
    let sink = Sink::start();
    let delivery = Delivery::start(DeliveryConfig::new(sink.dsn.parse().unwrap())).unwrap();
    let options = sentry::ClientOptions::new().transport(Arc::new(DeliveryTransport::shared(delivery.clone())));
    let client = Arc::new(sentry::Client::from((sink.dsn.as_str(), options)));
    // An application that makes events of warnings.
    let layers = tracing_subscriber::registry().with(
        sentry::integrations::tracing::ErrorLayer::new().with_filter(tracing_subscriber::filter::LevelFilter::WARN),
    );
    // Beside a second one: of a single dispatcher `tracing` asks whichever thread first comes by a call site, another test's too.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    tracing::subscriber::with_default(layers, || {
        Hub::run(Arc::new(Hub::new(Some(Arc::clone(&client)), Arc::default())), || {
            client.send_envelope(Envelope::from_bytes_raw(b"nonsense".to_vec()).unwrap());
            tracing::warn!("the application's own");
        });
    });
    assert!(client.flush(Some(PATIENCE)));
    let messages: Vec<_> = sink.payloads("event").iter().map(|event| event["message"].clone()).collect();
    assert_eq!(messages, ["the application's own"]);
    assert_eq!(delivery.outcome().dropped_by(DropReason::Invalid), 1);
}
