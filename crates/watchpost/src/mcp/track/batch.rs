//! A batch of events between the thread that makes them and the thread that runs the host's hooks on them: one lock, so that the first
//! sees at any time which hook runs and since when, and can go on without it.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{
    draft::{Draft, Stage},
    patience::{Haste, Patience},
};
use crate::model::McpEvent;

/// A batch.
#[derive(Debug)]
pub(super) struct Batch {
    state: Mutex<State>,
    over: Condvar,
}

#[derive(Debug, Default)]
struct State {
    todo: VecDeque<Draft>,
    done: Done,
    running: Option<Running>,
    /// The hooks' thread has nothing more to do here.
    is_over: bool,
    /// Nobody waits for the hook that runs: its thread is to end.
    is_abandoned: bool,
}

/// What is ready.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) events: Vec<McpEvent>,
    /// Events that went without what a hook should have added, …
    pub(super) undecorated: u64,
    /// … and events that are lost to hooks.
    pub(super) dropped: u64,
}

/// A hook that runs.
#[derive(Debug)]
struct Running {
    stage: Stage,
    began: Instant,
    since: Instant,
    /// The event it decorates; one that is being redacted is in the hook's own hands.
    draft: Option<Draft>,
}

/// How it stands with a batch.
#[derive(Debug)]
pub(super) enum Progress {
    Over,
    Running,
    /// This hook hangs. What is left to be done, without it.
    Hangs(Stage, VecDeque<Draft>),
}

/// The hook's thread is to end.
#[derive(Debug)]
pub(super) struct Abandoned;

impl Batch {
    pub(super) fn new(todo: VecDeque<Draft>) -> Self {
        Self { state: Mutex::new(State { todo, ..State::default() }), over: Condvar::new() }
    }

    /// Waits for a while; what is ready, and how it stands. A hook that hangs is told to `hangs` before it can be back.
    pub(super) fn wait(
        &self,
        slice: Duration,
        timeout: Duration,
        haste: impl Fn() -> Haste,
        hangs: impl Fn(Stage),
    ) -> (Done, Progress) {
        let mut state = self.lock();
        if !state.is_over {
            state = self.over.wait_timeout(state, slice).unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut done = std::mem::take(&mut state.done);
        if state.is_over {
            return (done, Progress::Over);
        }
        let Some(running) = state.running.take_if(|running| {
            Instant::now() >= Patience { timeout, since: running.since }.until(running.began, haste())
        }) else {
            return (done, Progress::Running);
        };
        hangs(running.stage);
        state.is_abandoned = true;
        let mut todo = std::mem::take(&mut state.todo);
        drop(state);
        match running.draft {
            Some(draft) => todo.push_front(Draft { has_failed: true, ..draft }),
            None => done.dropped += 1,
        }
        (done, Progress::Hangs(running.stage, todo))
    }

    /// The next event to work on.
    pub(super) fn next(&self) -> Option<Draft> {
        let mut state = self.lock();
        let next = state.todo.pop_front();
        if next.is_none() {
            state.is_over = true;
            self.over.notify_one();
        }
        next
    }

    /// A further event, to be worked on next.
    pub(super) fn put_back(&self, draft: Draft) {
        self.lock().todo.push_front(draft);
    }

    /// A hook that decorates begins.
    pub(super) fn lend(&self, stage: Stage, draft: Draft) {
        let since = draft.since;
        self.lock().running = Some(Running { stage, began: Instant::now(), since, draft: Some(draft) });
    }

    /// It is back.
    pub(super) fn give_back(&self) -> Result<Draft, Abandoned> {
        self.lock().running.take().and_then(|running| running.draft).ok_or(Abandoned)
    }

    /// A hook that redacts begins, with its whole time: an event that is not redacted is lost.
    pub(super) fn begin(&self, stage: Stage) {
        let now = Instant::now();
        self.lock().running = Some(Running { stage, began: now, since: now, draft: None });
    }

    /// It is back.
    pub(super) fn end(&self) -> Result<(), Abandoned> {
        let mut state = self.lock();
        state.running = None;
        if state.is_abandoned { Err(Abandoned) } else { Ok(()) }
    }

    /// An event is ready.
    pub(super) fn finish(&self, draft: Draft) {
        let done = &mut self.lock().done;
        done.undecorated += u64::from(draft.has_failed);
        done.events.push(draft.event);
    }

    /// An event is lost.
    pub(super) fn lose(&self) {
        self.lock().done.dropped += 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
