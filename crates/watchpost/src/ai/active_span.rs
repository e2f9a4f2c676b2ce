//! [`ActiveSpan`]: an open span, which ends when it is dropped.

use std::{backtrace::Backtrace, error::Error, fmt, marker::PhantomData, sync::Arc};

use watchpost_sentry::wire::{LogLevel, SpanId, Timestamp, TraceId};

use super::{
    Entered, Instrumented, Untyped, current, failure,
    starter::starters,
    state::{Place, State},
};
use crate::model::{ErrorInfo, Payload, Span, SpanAttributes, SpanLog, SpanType, Text, TypedAttributes};

/// An open span. It ends when it is dropped, also while a panic unwinds, which is its failure then; one that is never dropped
/// costs only its own memory, and the exporter sends it in the end as it stands.
///
/// What is set on it is told when it ends ([`update`](Self::update) tells it earlier). All methods take `&self`, and it may be
/// shared between threads. `A` is what its type says of it; [`set`](Self::set) reaches all of that.
#[must_use = "the span ends as soon as this is dropped"]
pub struct ActiveSpan<A = Untyped> {
    state: Arc<State>,
    attributes: PhantomData<fn() -> A>,
}

impl<A> ActiveSpan<A> {
    pub(super) fn begin(place: Place, ty: SpanType, name: impl Into<Text>, with: impl FnOnce(&mut Span)) -> Self {
        let mut span = place.span(ty, name);
        with(&mut span);
        Self { state: State::open(place.sink, span), attributes: PhantomData }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Span)) -> &Self {
        self.state.change(change);
        self
    }

    /// Sets something at once where the span is started: `tracer.tool_call("weather").with(|tool| { tool.call_id("1"); })`.
    pub fn with(self, set: impl FnOnce(&Self)) -> Self {
        set(&self);
        self
    }

    /// The trace.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.state.trace_id
    }

    /// The span.
    #[must_use]
    pub fn span_id(&self) -> SpanId {
        self.state.span_id
    }

    /// The W3C `traceparent` header of a call made from this span. A trace whose sampling is not decided yet counts as sampled.
    #[must_use]
    pub fn traceparent(&self) -> String {
        self.state.traceparent()
    }

    /// The `sentry-trace` header of a call made from this span.
    #[must_use]
    pub fn sentry_trace(&self) -> String {
        self.state.sentry_trace()
    }

    /// Sets the name, for people.
    pub fn name(&self, name: impl Into<Text>) -> &Self {
        self.change(|span| span.name = name.into())
    }

    /// Sets the id of what runs, where it differs from its name.
    pub fn entity_id(&self, id: impl Into<Text>) -> &Self {
        self.change(|span| span.entity_id = Some(id.into()))
    }

    /// Sets the name of what runs.
    pub fn entity_name(&self, name: impl Into<Text>) -> &Self {
        self.change(|span| span.entity_name = Some(name.into()))
    }

    /// Sets what it got. Content.
    pub fn input(&self, input: impl Into<Payload>) -> &Self {
        self.change(|span| span.input = Some(input.into()))
    }

    /// Sets what it gave. Content.
    pub fn output(&self, output: impl Into<Payload>) -> &Self {
        self.change(|span| span.output = Some(output.into()))
    }

    /// Sets something of the host's own, by its name.
    pub fn metadata(&self, name: impl Into<Text>, value: impl Into<Payload>) -> &Self {
        self.change(|span| {
            let (name, value) = (name.into(), value.into());
            span.metadata.retain(|(known, _)| *known != name);
            span.metadata.push((name, value));
        })
    }

    /// Labels the run. Only a trace's first span's labels are sent.
    pub fn tag(&self, tag: impl Into<Text>) -> &Self {
        self.change(|span| span.tags.push(tag.into()))
    }

    /// Sets an attribute that has no method, by its name.
    pub fn attribute(&self, name: &str, value: impl Into<Payload>) -> &Self {
        self.change(|span| {
            if span.attributes == SpanAttributes::None {
                span.attributes = SpanAttributes::empty(&span.ty);
            }
            span.attributes.insert(name, value);
        })
    }

    /// Says that it failed, how, and what caused that: the error's message and type, and the chain of its
    /// [`source`](Error::source)s.
    ///
    /// ```
    /// # let tool = watchpost::ai::Tracer::disabled().tool_call("count");
    /// if let Err(error) = "many".parse::<u8>() {
    ///     tool.error(&error);
    /// }
    /// ```
    pub fn error<E: Error + ?Sized>(&self, error: &E) -> &Self {
        self.failure(failure::of_error(error))
    }

    /// Likewise, with the stack of where it failed.
    pub fn error_at<E: Error + ?Sized>(&self, error: &E, backtrace: &Backtrace) -> &Self {
        self.failure(ErrorInfo { stack: failure::stack(backtrace), ..failure::of_error(error) })
    }

    /// Says that it failed where there is no error but a message.
    pub fn fail(&self, message: impl Into<String>) -> &Self {
        self.failure(failure::of_message(message.into()))
    }

    /// Says that it failed, in every detail.
    pub fn failure(&self, error: ErrorInfo) -> &Self {
        self.change(|span| span.error = Some(Box::new(error)))
    }

    /// Passes a result on; an error is recorded on the way: `let text = tool.record(fetch())?;`.
    ///
    /// # Errors
    /// The one passed on.
    pub fn record<T, E: Error>(&self, result: Result<T, E>) -> Result<T, E> {
        result.inspect_err(|error| {
            self.error(error);
        })
    }

    /// Logs a line in this span's place of the trace.
    pub fn log(&self, level: LogLevel, body: impl Into<String>) -> &Self {
        self.log_with(level, body, [])
    }

    /// Likewise, with something of the host's own, by name.
    pub fn log_with<const N: usize>(
        &self,
        level: LogLevel,
        body: impl Into<String>,
        attributes: [(&str, Payload); N],
    ) -> &Self {
        self.state.log(SpanLog {
            trace_id: self.state.trace_id,
            span_id: self.state.span_id,
            at: Timestamp::now(),
            level,
            body: body.into(),
            attributes: attributes.map(|(name, value)| (name.into(), value)).into(),
        });
        self
    }

    /// Tells what is known by now. A long span that is cut off, by a crash say, is sent with what was told last.
    pub fn update(&self) -> &Self {
        self.state.update();
        self
    }

    /// Runs the code that follows in this span, on this thread, until what is returned is dropped. Not across an `await`, where
    /// other code runs meanwhile: that is [`instrument`](Self::instrument)'s.
    pub fn enter(&self) -> Entered<'_> {
        current::enter(&self.state)
    }

    /// Runs `work` in this span. A panic in it is the span's failure, by its message, and goes on.
    pub fn in_scope<R>(&self, work: impl FnOnce() -> R) -> R {
        current::in_scope(&self.state, work)
    }

    /// Runs a future in this span, on whatever thread and in whatever runtime it is polled. The span does not end with it, but
    /// as ever when it is dropped: move it into the future to have it end there.
    ///
    /// ```
    /// # use watchpost::ai::Tracer;
    /// # async fn look_up(_: &Tracer) -> String { String::new() }
    /// async fn answer(tracer: &Tracer) -> String {
    ///     let agent = tracer.agent_run("support");
    ///     let answer = agent.instrument(look_up(tracer)).await; // what `look_up` starts is below `agent`
    ///     agent.output(answer.as_str());
    ///     answer
    /// }
    /// # drop(answer(&Tracer::disabled()));
    /// ```
    pub fn instrument<F: Future>(&self, future: F) -> Instrumented<F> {
        Instrumented::new(future, Arc::clone(&self.state))
    }

    /// Ends it now, as dropping it does.
    pub fn end(self) {
        drop(self);
    }

    starters!();

    fn begin_child<B>(&self, ty: SpanType, name: impl Into<Text>, with: impl FnOnce(&mut Span)) -> ActiveSpan<B> {
        ActiveSpan::begin(self.state.child(), ty, name, with)
    }
}

impl<A: TypedAttributes> ActiveSpan<A> {
    /// Sets what its type says of it: `step.set(|step| step.entry_id = Some("charge".into()))`.
    pub fn set(&self, set: impl FnOnce(&mut A)) -> &Self {
        self.change(|span| {
            if let Some(attributes) = A::of(&mut span.attributes) {
                set(attributes);
            }
        })
    }
}

impl<A> Drop for ActiveSpan<A> {
    fn drop(&mut self) {
        self.state.end();
    }
}

impl<A> fmt::Debug for ActiveSpan<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ActiveSpan");
        debug.field("trace_id", &self.trace_id()).field("span_id", &self.span_id()).finish_non_exhaustive()
    }
}
