//! A call whose handler runs: its event is made when the handler answers, and also when it panics or its future is dropped.

use std::{borrow::Cow, future::Future, sync::Arc};

use rmcp::{RoleServer, model::ErrorData, service::RequestContext};
use tracing::Instrument;
use watchpost_sentry::wire::Timestamp;

use super::{
    answer::{Answer, AnswerFacts, protocol_error},
    call::{CURRENT, CurrentCall, Finished, Opened},
    connection::{Asked, Connection},
};
use crate::{
    ai::in_call,
    mcp::KnownSession,
    model::{Completion, ErrorInfo, ErrorKind, Implementation},
};

/// A call in progress.
pub(super) struct OpenCall<C: Fn() -> bool> {
    connection: Arc<Connection>,
    /// `None` once it has ended.
    opened: Option<Opened>,
    session: Option<KnownSession>,
    call: CurrentCall,
    is_cancelled: C,
}

/// Opens a call of `asked`.
pub(super) fn open(
    connection: &Arc<Connection>,
    server: &Arc<Implementation>,
    asked: Asked<'_>,
    context: &RequestContext<RoleServer>,
) -> OpenCall<impl Fn() -> bool + use<>> {
    let (opened, session) = connection.open(asked, context, server);
    let call = CurrentCall::new(Arc::clone(connection.tracker()), session.clone(), opened.trace_parent);
    let token = context.ct.clone();
    OpenCall {
        connection: Arc::clone(connection),
        opened: Some(opened),
        session,
        call,
        is_cancelled: move || token.is_cancelled(),
    }
}

impl<C: Fn() -> bool> OpenCall<C> {
    /// What the user wants, in the model's words.
    pub(super) fn set_user_intent(&mut self, intent: Option<String>) {
        if let Some(opened) = &mut self.opened {
            opened.user_intent = intent;
        }
    }

    /// Runs the handler inside the call.
    pub(super) async fn run<T: Answer>(
        mut self,
        handler: impl Future<Output = Result<T, ErrorData>>,
    ) -> Result<T, ErrorData> {
        let span = self.span();
        let handler = CURRENT.scope(self.call.clone(), in_call(handler));
        #[cfg(feature = "sentry")]
        let handler = crate::sentry_sdk::in_own_hub(handler);
        let result = handler.instrument(span).await;
        let facts = match &result {
            Ok(answer) => answer.facts(self.connection.tracker().capture().results),
            Err(error) => {
                let refused_probe = self.opened.as_ref().is_some_and(|opened| opened.method == "server/discover")
                    && matches!(error.code.0, -32601 | -32602);
                let error = (!refused_probe).then(|| Box::new(protocol_error(error)));
                AnswerFacts { error, ..AnswerFacts::default() }
            }
        };
        self.end(facts, Completion::Answered, false);
        result
    }

    /// The span that `tracing` spans of the handler nest under.
    fn span(&self) -> tracing::Span {
        let Some(opened) = &self.opened else { return tracing::Span::none() };
        // What makes Sentry transactions of spans goes on with the trace that this names.
        #[cfg(feature = "sentry")]
        let sentry_trace = crate::sentry_sdk::is_linked().then(|| self.call.span()).flatten();
        #[cfg(feature = "sentry")]
        let sentry_trace = sentry_trace.map(|span| format!("{}-{}", span.trace_id, span.span_id));
        #[cfg(not(feature = "sentry"))]
        let sentry_trace: Option<String> = None;
        let span = tracing::info_span!(
            target: "watchpost::mcp",
            "mcp.server",
            otel.kind = "server",
            mcp.method.name = %opened.method,
            mcp.resource = opened.resource_name.as_deref(),
            watchpost.event.id = self.call.event_id(),
            watchpost.session.id = self.call.session_id(),
            trace_id = tracing::field::Empty,
            span_id = tracing::field::Empty,
            sentry.trace = sentry_trace.as_deref(),
        );
        if !span.is_disabled()
            && let Some(ours) = self.call.span()
        {
            span.record("trace_id", tracing::field::display(ours.trace_id));
            span.record("span_id", tracing::field::display(ours.span_id));
        }
        span
    }

    fn end(&mut self, mut answer: AnswerFacts, mut completion: Completion, is_unanswered: bool) {
        let Some(mut opened) = self.opened.take() else { return };
        let completed = Timestamp::now();
        let duration = opened.began.elapsed();
        let mut cancel_reason = None;
        if completion != Completion::Expired && (self.is_cancelled)() {
            completion = Completion::Cancelled;
            cancel_reason = self.connection.cancel_reason(opened.request_id.as_ref());
            answer.error = None;
        }
        if let Some(version) = answer.protocol_version.take() {
            opened.protocol_version = Some(Cow::Owned(version));
        }
        let (call, session) = (&self.call, self.session.take());
        self.connection.finish(Box::new(Finished {
            event_id: call.event_id().to_owned(),
            said: call.take_said(),
            opened,
            session,
            answer,
            completion,
            cancel_reason,
            completed,
            duration,
            is_unanswered,
            response_bytes: None,
        }));
    }
}

impl<C: Fn() -> bool> Drop for OpenCall<C> {
    fn drop(&mut self) {
        if self.opened.is_none() {
            return;
        }
        let (ty, message, kind, completion) = if std::thread::panicking() {
            (Some("panic"), "The handler panicked; the client gets no answer", ErrorKind::Tool, Completion::Answered)
        } else {
            (None, "The connection closed before the answer", ErrorKind::Unanswered, Completion::ConnectionClosed)
        };
        let error = ErrorInfo { kind, message: message.to_owned(), ty: ty.map(str::to_owned), ..ErrorInfo::default() };
        self.end(AnswerFacts { error: Some(Box::new(error)), ..AnswerFacts::default() }, completion, true);
    }
}
