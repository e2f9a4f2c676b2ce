//! `GET /stream`: what is stored, as server-sent events. One message an item, its type inside; an event named `missed` with a
//! count when the reader was too slow; `?payload=0` leaves payloads out.

use std::convert::Infallible;

use axum::extract::{Query, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_stream::{Stream, StreamExt as _};

use super::App;
use crate::store::{Live, StoredItem};

/// A larger payload is left out of the stream; `/api/items/{id}` has it.
const MAX_PAYLOAD: usize = 256 * 1024;

#[derive(Debug, Default, Deserialize)]
pub(super) struct Options {
    /// `0` leaves payloads out.
    payload: Option<String>,
}

#[derive(Serialize)]
struct Message<'i> {
    #[serde(flatten)]
    item: &'i StoredItem,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'i RawValue>,
}

pub(super) async fn stream(State(app): State<App>, options: Query<Options>) -> Response {
    let with_payload = options.payload.as_deref() != Some("0");
    Sse::new(events(&app, with_payload)).keep_alive(KeepAlive::default()).into_response()
}

fn events(app: &App, with_payload: bool) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
    BroadcastStream::new(app.store.live())
        .take_while(|message| !matches!(message, Ok(Live::Stopping | Live::Closed)))
        .filter_map(move |message| match message {
            Ok(Live::Item(item)) => event(&item, with_payload),
            Ok(Live::Stopping | Live::Closed) => None,
            Err(BroadcastStreamRecvError::Lagged(count)) => {
                Some(Event::default().event("missed").data(count.to_string()))
            }
        })
        .map(Ok)
}

fn event(item: &StoredItem, with_payload: bool) -> Option<Event> {
    let payload = (with_payload && item.payload.len() <= MAX_PAYLOAD)
        .then(|| serde_json::from_slice::<&RawValue>(&item.payload).ok())
        .flatten();
    let data = serde_json::to_string(&Message { item, payload }).ok()?;
    // Raw JSON may span lines; the stream's framing forbids bare carriage returns.
    Some(Event::default().id(item.id.to_string()).data(data.replace('\r', " ")))
}
