//! The span that code runs in: a stack of spans for each thread, entered for a piece of code, or for each poll of a future.

use std::{
    cell::{Cell, RefCell},
    fmt,
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{failure, state::State};

thread_local! {
    static CURRENT: RefCell<Vec<(u64, Arc<State>)>> = const { RefCell::new(Vec::new()) };
    static TICKET: Cell<u64> = const { Cell::new(0) };
    /// How many spans of the stack are outside of the call of a tracked server that this thread works on.
    static OUTSIDE: Cell<usize> = const { Cell::new(0) };
}

/// The span this thread's code runs in.
pub(super) fn current() -> Option<Arc<State>> {
    let outside = OUTSIDE.try_with(Cell::get).unwrap_or(0);
    // No stack while the thread ends; no answer for who asks while it is changed.
    let last = |current: &RefCell<Vec<(u64, Arc<State>)>>| {
        let current = current.try_borrow().ok()?;
        current.get(outside..)?.last().map(|(_, state)| Arc::clone(state))
    };
    CURRENT.try_with(last).ok().flatten()
}

/// The innermost span that this code runs in, of whatever tracer, or the call of a tracked server, as far as it is known already.
/// A panic hook may ask: nothing here panics, waits, or runs a host's code.
#[cfg(feature = "sentry")]
pub(crate) fn innermost() -> Option<crate::model::TraceParent> {
    match current() {
        Some(state) => {
            Some(crate::model::TraceParent { trace_id: state.trace_id, span_id: state.span_id, sampled: state.sampled })
        }
        #[cfg(feature = "rmcp")]
        None => crate::mcp::track::current_call()?.known_span(),
        #[cfg(not(feature = "rmcp"))]
        None => None,
    }
}

/// Runs the handler of a tracked server's call: the spans that its thread is in, which has the whole runtime run in a span
/// perhaps, are outside of it.
#[cfg(feature = "rmcp")]
pub(crate) async fn in_call<F: Future>(handler: F) -> F::Output {
    struct Restore(usize);

    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = OUTSIDE.try_with(|outside| outside.set(self.0));
        }
    }

    let mut handler = std::pin::pin!(handler);
    std::future::poll_fn(|context| {
        let depth = CURRENT.try_with(|current| current.borrow().len()).unwrap_or(0);
        let _restore = Restore(OUTSIDE.try_with(|outside| outside.replace(depth)).unwrap_or(0));
        handler.as_mut().poll(context)
    })
    .await
}

/// The span outside of all of ours that this code runs in: the call of a tracked MCP server.
#[cfg(feature = "rmcp")]
pub(crate) fn outside() -> Option<crate::model::TraceParent> {
    crate::mcp::track::current_call()?.span()
}

/// The span outside of all of ours that this code runs in: there is no capture that would know one.
#[cfg(not(feature = "rmcp"))]
pub(crate) const fn outside() -> Option<crate::model::TraceParent> {
    None
}

/// While it lives, new spans of this thread are children of the span it was made of. They may be dropped in any order.
#[must_use = "the span is left as soon as this is dropped"]
pub struct Entered<'a> {
    ticket: u64,
    /// It belongs to its thread, and to the span.
    of: PhantomData<(*const (), &'a ())>,
}

pub(super) fn enter(state: &Arc<State>) -> Entered<'_> {
    failure::forget_panic();
    let ticket = TICKET.try_with(|last| {
        last.set(last.get().wrapping_add(1));
        last.get()
    });
    let ticket = ticket.unwrap_or(0);
    let _ = CURRENT.try_with(|current| current.borrow_mut().push((ticket, Arc::clone(state))));
    Entered { ticket, of: PhantomData }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let left = CURRENT.try_with(|current| {
            let mut current = current.borrow_mut();
            let at = current.iter().rposition(|(ticket, _)| *ticket == self.ticket);
            at.map(|at| current.remove(at))
        });
        // Only now: what is dropped with the span's sink may start spans itself.
        drop(left);
    }
}

impl fmt::Debug for Entered<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}

/// Runs `work` in the span; a panic in it is the span's failure and goes on.
pub(super) fn in_scope<R>(state: &Arc<State>, work: impl FnOnce() -> R) -> R {
    let entered = enter(state);
    let done = catch_unwind(AssertUnwindSafe(work));
    drop(entered);
    done.unwrap_or_else(|payload| {
        state.fail_unless_failed(failure::of_panic(&*payload));
        resume_unwind(payload)
    })
}

/// A future whose code runs in a span, on whatever thread it is polled.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Instrumented<F> {
    /// Taken when it is dropped, so that it is dropped in the span too.
    future: Option<Pin<Box<F>>>,
    state: Arc<State>,
}

impl<F> Instrumented<F> {
    pub(super) fn new(future: F, state: Arc<State>) -> Self {
        Self { future: Some(Box::pin(future)), state }
    }
}

impl<F: Future> Future for Instrumented<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        match &mut this.future {
            Some(future) => in_scope(&this.state, || future.as_mut().poll(context)),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for Instrumented<F> {
    fn drop(&mut self) {
        let _entered = enter(&self.state);
        self.future = None;
    }
}

impl<F> fmt::Debug for Instrumented<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instrumented").finish_non_exhaustive()
    }
}
