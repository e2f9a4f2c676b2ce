//! The handle: what producers call. Sync, callable from any thread and any async runtime, and inside `Drop`.

use std::{
    cell::Cell,
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    config::DeliveryConfig,
    encoded::{EncodedSpans, EncodedTransaction},
    error::DeliveryError,
    foreign::{self, InvalidEnvelope},
    http::Target,
    lane::Lane,
    outcome::{DropReason, Outcome},
    parcel::Parcel,
    worker::{Guarded, Shared, Thread, deadline},
};
use crate::wire::{Category, DiscardReason, DynamicSamplingContext, ErrorEvent, Log, SpanV2, Transaction};

/// Delivers to one DSN. Cheap to clone: all clones share one delivery.
///
/// Nothing here waits for the network but [`flush`](Self::flush), [`shutdown`](Self::shutdown),
/// [`wait_for_room`](Self::wait_for_room) and their async forms, each for as long as it is told to.
///
/// # Dropping
/// Dropping the last clone without [`shutdown`](Self::shutdown) sends what is held, for at most
/// [`drop_timeout`](DeliveryConfig::with_drop_timeout) (2 s by default, and only as long as it takes), and ends the
/// thread. What is left then is lost, unless there is a spool; call `shutdown` to learn of it.
///
/// # Threads and processes
/// The thread `watchpost-delivery` starts with the first item. It does not survive `fork`: fork before the first item.
#[derive(Clone)]
pub struct Delivery {
    owner: Arc<Owner>,
}

/// What ends with the last handle. The worker holds the rest.
struct Owner {
    shared: Arc<Shared>,
}

thread_local! {
    /// Where items are encoded before the lock is taken: a copy of a kilobyte under it is cheaper than encoding one.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A scratch buffer that a huge item has blown up is not kept.
const MAX_SCRATCH_BYTES: usize = 64 * 1024;

/// No flush or shutdown keeps back more than this for ending the thread,
const MAX_ENDING: Duration = Duration::from_millis(50);

/// nor more than this part of its time.
const ENDING_SHARE: u32 = 8;

/// Producers that ask for room wait beyond this.
const FULL_QUARTERS: usize = 3;

impl Delivery {
    /// Sets a delivery up. No thread starts and nothing is connected before the first item; but with a spool its thread starts,
    /// and what processes that are gone have left in it is sent.
    ///
    /// # Errors
    /// If the DSN does not make a valid HTTP request.
    pub fn start(config: DeliveryConfig) -> Result<Self, DeliveryError> {
        let target = Target::new(&config)?;
        let shared = Arc::new(Shared::new(config, target));
        shared.start_spooler();
        Ok(Self { owner: Arc::new(Owner { shared }) })
    }

    /// Hands over a log. It is sent with up to 99 others, 5 s later at the latest.
    pub fn log(&self, log: &Log<'_>) {
        encode(
            |out| log.write_json(out),
            |json| self.shared().with(|guarded, effects| guarded.state.log(json, Instant::now, effects)),
        );
        self.shared().wait_until_durable();
    }

    /// Hands over a transaction, with its trace's sampling context if it has one. It is sent at once.
    pub fn transaction(&self, transaction: &Transaction<'_>, trace: Option<&DynamicSamplingContext<'_>>) {
        let spans = transaction.spans.len() as u64 + 1;
        let mut json = self.buffer();
        transaction.write_json(&mut json);
        self.single(Parcel::single(Lane::Transaction, transaction.event_id, trace, json, spans));
    }

    /// An empty buffer to encode a transaction or its spans into: the memory of one that was sent, if there is any to spare.
    #[must_use]
    pub fn buffer(&self) -> Vec<u8> {
        self.shared().lock().state.spares.take()
    }

    /// Hands over a transaction that is encoded already, and the v2 spans that travel in its envelope, with their trace's
    /// sampling context. They are sent at once. Without a context there can be no spans beside it: Sentry would reject them,
    /// so they are dropped as [`Invalid`](super::DropReason::Invalid).
    pub fn encoded_transaction(&self, mut transaction: EncodedTransaction, trace: Option<&DynamicSamplingContext<'_>>) {
        if trace.is_none() && !transaction.streamed.is_empty() {
            let streamed = std::mem::take(&mut transaction.streamed);
            self.discard(DiscardReason::Invalid, Category::Span, streamed.len() as u64);
        }
        self.single(Parcel::transaction(transaction, trace));
    }

    /// Hands over a container of v2 spans that are encoded already, all of the sampling context's trace. It is sent at once.
    pub fn encoded_spans(&self, spans: EncodedSpans, trace: &DynamicSamplingContext<'_>) {
        if !spans.is_empty() {
            self.single(Parcel::spans(spans, Box::new(trace.clone().into_owned())));
        }
    }

    /// Hands over an error event, with its trace's sampling context if it has one. It is sent at once, ahead
    /// of what else waits.
    pub fn error(&self, event: &ErrorEvent<'_>, trace: Option<&DynamicSamplingContext<'_>>) {
        let json = encode(|out| event.write_json(out), <[u8]>::to_vec);
        self.single(Parcel::single(Lane::Error, event.event_id, trace, json, 0));
    }

    /// Hands over spans that are sent on their own, all of one trace: that of the sampling context. They are sent with
    /// the others of their trace when its segment ends, at 1000 spans or 1 MiB, or 5 s after the first.
    ///
    /// A span of another trace is dropped as [`Invalid`](super::DropReason::Invalid): Sentry would reject them all.
    pub fn spans(&self, spans: &[SpanV2<'_>], trace: &DynamicSamplingContext<'_>) {
        for span in spans {
            if span.trace_id != trace.trace_id {
                self.discard(DiscardReason::Invalid, Category::Span, 1);
                continue;
            }
            self.span(span.is_segment, trace, |out| span.write_json(out));
        }
        self.shared().wait_until_durable();
    }

    /// Hands over a span of the sampling context's trace that is sent on its own, as with [`spans`](Self::spans), by its JSON, which
    /// `write` appends as [`SpanV2::write_json`] does: for a caller that need not hold it.
    pub fn write_span(&self, is_segment: bool, trace: &DynamicSamplingContext<'_>, write: impl FnOnce(&mut Vec<u8>)) {
        self.span(is_segment, trace, write);
        self.shared().wait_until_durable();
    }

    fn span(&self, is_segment: bool, trace: &DynamicSamplingContext<'_>, write: impl FnOnce(&mut Vec<u8>)) {
        encode(write, |json| {
            self.shared().with(|guarded, effects| guarded.state.span(json, is_segment, trace, Instant::now, effects));
        });
    }

    /// Hands over an envelope that another SDK has written: what `sentry`'s own transports would send. It is sent at once, in as
    /// many envelopes as it has kinds of items that depend on nothing else in it; their bytes are sent as they are, and so is the
    /// header, but for `sent_at`, which is the moment of the send, `dsn`, which is left out, and the public key in the sampling
    /// context, which is this DSN's.
    ///
    /// An event that is too large with its attachments goes without them.
    ///
    /// ```no_run
    /// # fn hand_over(delivery: &watchpost_sentry::delivery::Delivery) -> Result<(), watchpost_sentry::delivery::InvalidEnvelope> {
    /// delivery.envelope(b"{}\n{\"type\":\"check_in\",\"length\":34}\n{\"monitor_slug\":\"a\",\"status\":\"ok\"}\n")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// When it is no envelope. It is counted as dropped, for being [`Invalid`](super::DropReason::Invalid).
    pub fn envelope(&self, envelope: &[u8]) -> Result<(), InvalidEnvelope> {
        let shared = self.shared();
        let parcels = foreign::parcels(envelope, shared.config.dsn.public_key())
            .inspect_err(|_| self.discard(DiscardReason::Invalid, Category::Default, 1))?;
        let errors = shared.config.buffers.errors;
        for mut parcel in parcels {
            if parcel.footprint() > errors
                && let Some(left) = parcel.leave_attachments()
            {
                shared.with(|guarded, effects| guarded.state.discard_attachments(&left, effects));
            }
            self.single(parcel);
        }
        Ok(())
    }

    /// Counts items that the caller dropped itself: they are in the [`Outcome`] as accepted and dropped, and reported
    /// to Sentry if the reason is [one that Sentry should hear of](DropReason::reported). For a transaction, see
    /// [`discard_transaction`](Self::discard_transaction).
    pub fn discard(&self, reason: impl Into<DropReason>, category: Category, quantity: u64) {
        self.shared().with(|guarded, effects| guarded.state.discard(reason.into(), category, quantity, effects));
    }

    /// Counts a transaction that the caller dropped itself: one item in the [`Outcome`]. Sentry is told of its `spans` too,
    /// the root included, as of every transaction that is lost.
    pub fn discard_transaction(&self, reason: impl Into<DropReason>, spans: u64) {
        self.shared().with(|guarded, effects| guarded.state.discard_transaction(reason.into(), spans, effects));
    }

    /// Waits until the buffers have room: for importers, which can wait, instead of dropping the oldest. Returns at
    /// once if no buffer is filled beyond three quarters, else when all are down to half. False if that takes longer
    /// than `timeout`, or after a shutdown.
    #[must_use]
    pub fn wait_for_room(&self, timeout: Duration) -> bool {
        let shared = self.shared();
        {
            let mut guarded = shared.lock();
            if guarded.state.is_closed() {
                return false;
            }
            if guarded.state.has_room(FULL_QUARTERS) {
                return true;
            }
            guarded.room_waiters += 1;
        }
        let has_room = shared.wait_until(deadline(timeout), |guarded, _| guarded.has_room_again());
        shared.lock().room_waiters -= 1;
        has_room
    }

    /// Waits, at most for `timeout`, until a transaction or a span of `bytes` can be handed over without anything being
    /// dropped for it: for what is large. True if that is so.
    ///
    /// Blocks the thread.
    #[must_use]
    pub fn wait_for_room_of(&self, bytes: usize, timeout: Duration) -> bool {
        let shared = self.shared();
        {
            let mut guarded = shared.lock();
            if guarded.state.is_closed() {
                return false;
            }
            if guarded.state.has_room_of(bytes) {
                return true;
            }
            guarded.room_waiters += 1;
        }
        let has_room = shared.wait_until(deadline(timeout), |guarded, _| guarded.state.has_room_of(bytes));
        shared.lock().room_waiters -= 1;
        has_room
    }

    /// Sends everything accepted before the call and waits until it was sent or dropped, at most for `timeout`. The
    /// figures are those since the start. With `complete`, nothing of before the call is held any more. Returns at once when all
    /// that is left waits in the spool for rate limits that end later than that.
    ///
    /// Blocks the thread; in async code use [`flush_async`](Self::flush_async).
    pub fn flush(&self, timeout: Duration) -> Outcome {
        let (flush, end) = (Flush::begin(self.shared()), deadline(timeout));
        self.shared().wait_until(end, |guarded, now| flush.is_over(guarded, now, end));
        flush.outcome()
    }

    /// [`flush`](Self::flush) as a future, on any runtime.
    pub async fn flush_async(&self, timeout: Duration) -> Outcome {
        let (flush, end) = (Flush::begin(self.shared()), deadline(timeout));
        self.shared().wait_until_async(end, |guarded, now| flush.is_over(guarded, now, end)).await;
        flush.outcome()
    }

    /// Ends the intake, sends what is held, and ends the thread, all within `timeout`, whatever the server does. A spool whose
    /// disk hangs has 2 s more for its last writes.
    ///
    /// What could not be sent in time is `held` in the answer if the spool keeps it for the next process; else it is lost, and
    /// [dropped](super::DropReason::Shutdown). Either way the answer is not `complete`. Items handed over later are counted as
    /// dropped.
    pub fn shutdown(&self, timeout: Duration) -> Outcome {
        self.owner.shutdown(timeout)
    }

    /// [`shutdown`](Self::shutdown) as a future, on any runtime.
    pub async fn shutdown_async(&self, timeout: Duration) -> Outcome {
        let (shared, end) = (self.shared(), deadline(timeout));
        shared.lock().state.close();
        let flush = Flush::begin(shared);
        let delivered = end - ending(timeout);
        shared.wait_until_async(delivered, |guarded, now| flush.is_over(guarded, now, delivered)).await;
        shared.stop();
        shared.wait_until_async(end, |guarded, _| guarded.thread == Thread::Stopped).await;
        shared.stop_spooler();
        shared.lock().state.end();
        self.outcome()
    }

    /// Waits until everything handed over before is as safe as the spool makes it: with [`SpoolMode::Fast`](super::SpoolMode)
    /// in the hands of the operating system, where it survives this process; with `Durable` on the disk. False without a spool,
    /// when its disk has failed, or when that takes longer than `timeout`.
    pub fn sync(&self, timeout: Duration) -> bool {
        self.shared().sync(deadline(timeout))
    }

    /// The figures since the start.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.shared().lock().state.outcome()
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.owner.shared
    }

    fn single(&self, parcel: Parcel) {
        self.shared().with(|guarded, effects| guarded.state.single(parcel, Instant::now, effects));
        self.shared().wait_until_durable();
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("dsn", self.shared().config.dsn()).finish_non_exhaustive()
    }
}

impl Owner {
    fn shutdown(&self, timeout: Duration) -> Outcome {
        let (shared, end) = (&self.shared, deadline(timeout));
        shared.lock().state.close();
        let flush = Flush::begin(shared);
        let delivered = end - ending(timeout);
        shared.wait_until(delivered, |guarded, now| flush.is_over(guarded, now, delivered));
        shared.stop();
        shared.wait_until(end, |guarded, _| guarded.thread == Thread::Stopped);
        shared.stop_spooler();
        let mut guarded = shared.lock();
        guarded.state.end();
        guarded.state.outcome()
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.shared.lock().thread != Thread::Stopped {
            self.shutdown(self.shared.config.drop_timeout);
        }
        self.shared.stop_spooler();
    }
}

/// A flush that is waited for.
struct Flush<'a> {
    shared: &'a Arc<Shared>,
    ticket: u64,
}

impl<'a> Flush<'a> {
    fn begin(shared: &'a Arc<Shared>) -> Self {
        let ticket = shared.with(|guarded, effects| {
            let ticket = guarded.state.begin_flush(Instant::now(), effects);
            guarded.flushes.push(ticket);
            ticket
        });
        Self { shared, ticket }
    }

    /// Whether to wait until `end` brings nothing more.
    fn is_over(&self, guarded: &Guarded, now: Instant, end: Instant) -> bool {
        let is_settled = guarded.state.is_settled(self.ticket, now) && !guarded.spooling.has_more;
        !guarded.spooling.is_looking && (is_settled || guarded.state.is_blocked(self.ticket, now, end))
    }

    fn outcome(&self) -> Outcome {
        let guarded = self.shared.lock();
        let mut outcome = guarded.state.outcome();
        outcome.complete = guarded.state.is_delivered(self.ticket) && !guarded.spooling.has_more;
        outcome
    }
}

impl Drop for Flush<'_> {
    fn drop(&mut self) {
        self.shared.lock().flushes.retain(|ticket| *ticket != self.ticket);
    }
}

/// What a shutdown keeps of its time for ending the thread.
fn ending(timeout: Duration) -> Duration {
    MAX_ENDING.min(timeout / ENDING_SHARE)
}

/// Encodes an item into this thread's scratch buffer and hands that on.
fn encode<R>(write: impl FnOnce(&mut Vec<u8>), hand_on: impl FnOnce(&[u8]) -> R) -> R {
    // No scratch buffer: the thread is ending, or this is a log about a log.
    let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
    scratch.clear();
    write(&mut scratch);
    let result = hand_on(&scratch);
    if scratch.capacity() <= MAX_SCRATCH_BYTES {
        let _ = SCRATCH.try_with(|cell| cell.set(scratch));
    }
    result
}
