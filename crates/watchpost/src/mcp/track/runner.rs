//! Runs the host's hooks. They never run on a call's path, nor on the thread that hands events to exporters: they have one of their own,
//! which takes a batch of events at a time. Should a hook hang there, the batch goes on without it on a new thread; until it is back
//! it is not called again, and its events go without it, or, if it redacts, not at all.

use std::{
    collections::VecDeque,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    batch::{Abandoned, Batch, Done, Progress},
    draft::{Draft, Stage},
    hooks::{HookError, HookRequest, Hooks},
    identities::Identities,
    json,
    patience::Haste,
};
use crate::{
    model::McpEvent,
    redact::{Redactor, visit_strings},
};

/// While hooks run, what is ready and whether one hangs is looked at as often.
const SLICE: Duration = Duration::from_millis(20);

/// The hooks, and what they need beside events.
struct Inner {
    hooks: Hooks,
    timeout: Duration,
    project_id: Option<String>,
    identities: Mutex<Identities>,
    /// Which hooks hang, by their stage.
    hang: [AtomicBool; Stage::ALL.len()],
}

/// Runs hooks on batches of events. For one thread.
pub(super) struct Runner {
    inner: Arc<Inner>,
    /// The thread that runs them; none before the first batch, and after one hung.
    thread: Option<SyncSender<Arc<Batch>>>,
}

impl Runner {
    /// `None` if there is no hook.
    pub(super) fn new(hooks: Hooks, timeout: Duration, project_id: Option<String>) -> Option<Self> {
        if !hooks.want_events() {
            return None;
        }
        let inner = Inner { hooks, timeout, project_id, identities: Mutex::default(), hang: Default::default() };
        Some(Self { inner: Arc::new(inner), thread: None })
    }

    /// Runs the hooks on a batch, and hands on what is ready.
    pub(super) fn run(&mut self, drafts: VecDeque<Draft>, haste: impl Fn() -> Haste, mut ready: impl FnMut(Done)) {
        let mut batch = self.start(drafts);
        loop {
            let (done, progress) = batch.wait(SLICE, self.inner.timeout, &haste, |stage| self.inner.set_hangs(stage));
            ready(done);
            match progress {
                Progress::Over => return,
                Progress::Running => {}
                Progress::Hangs(stage, rest) => {
                    let hook = stage.name();
                    tracing::warn!(target: "watchpost::mcp", hook, "a hook hangs; events go without it until it is back");
                    self.thread = None;
                    batch = self.start(rest);
                }
            }
        }
    }

    /// Gives a batch to the hooks' thread, which is started if need be.
    fn start(&mut self, drafts: VecDeque<Draft>) -> Arc<Batch> {
        let batch = Arc::new(Batch::new(drafts));
        let is_taken = self.thread.as_ref().is_some_and(|thread| thread.send(Arc::clone(&batch)).is_ok());
        if is_taken {
            return batch;
        }
        let (batches, inbox) = sync_channel(1);
        let inner = Arc::clone(&self.inner);
        let spawned = thread::Builder::new().name("watchpost-hooks".to_owned()).spawn(move || inner.work(&inbox));
        match spawned {
            Ok(_) if batches.send(Arc::clone(&batch)).is_ok() => self.thread = Some(batches),
            _ => self.inner.go_without(&batch),
        }
        batch
    }
}

/// The host's hook over strings.
struct RedactHook<'a>(&'a dyn Fn(&str) -> Result<Option<String>, HookError>);

impl Redactor for RedactHook<'_> {
    type Error = HookError;

    fn text(&self, text: &str) -> Result<Option<String>, HookError> {
        self.0(text)
    }
}

impl Inner {
    /// The thread.
    fn work(&self, inbox: &Receiver<Arc<Batch>>) {
        for batch in inbox {
            while let Some(draft) = batch.next() {
                if self.complete(draft, &batch).is_err() {
                    return;
                }
            }
        }
    }

    /// Runs all hooks on an event.
    fn complete(&self, mut draft: Draft, batch: &Batch) -> Result<(), Abandoned> {
        while let Some(stage) = draft.next_stage() {
            draft = match stage {
                Stage::ResolveSessionId => self.resolve_session_id(draft, batch)?,
                Stage::Identify => self.identify(draft, batch)?,
                Stage::EventTags => self.event_tags(draft, batch)?,
                Stage::EventProperties => self.event_properties(draft, batch)?,
                Stage::RedactEvent | Stage::Redact => match self.redact(stage, draft, batch)? {
                    Some(draft) => draft,
                    None => {
                        batch.lose();
                        return Ok(());
                    }
                },
            };
        }
        batch.finish(draft);
        Ok(())
    }

    fn resolve_session_id(&self, draft: Draft, batch: &Batch) -> Result<Draft, Abandoned> {
        let Some(hook) = &self.hooks.resolve_session_id else { return Ok(draft) };
        let (mut draft, handle) = self.ask(Stage::ResolveSessionId, draft, batch, |request| hook(&request))?;
        if let Some(Some(handle)) = handle {
            draft.set_session(&handle, self.project_id.as_deref());
        }
        Ok(draft)
    }

    /// Puts the session's actor into the event; asks for it when it is not known or may be another.
    fn identify(&self, mut draft: Draft, batch: &Batch) -> Result<Draft, Abandoned> {
        let Some(hook) = &self.hooks.identify else { return Ok(draft) };
        if draft.request.is_none() {
            return Ok(draft);
        }
        let now = Instant::now();
        let (session_id, credentials) = (draft.event.session_id.clone(), draft.credentials);
        let known = self.identities().known(session_id.as_deref(), credentials, now);
        if known.is_fresh {
            draft.event.actor = known.before;
            return Ok(draft);
        }
        let (mut draft, answer) = self.ask(Stage::Identify, draft, batch, |request| {
            let mut actor = block_on(hook(request), self.timeout)?;
            if let Some(actor) = &mut actor {
                actor.data.iter_mut().for_each(json::bound_depth);
            }
            Ok(actor)
        })?;
        // One that failed is asked again at the next request.
        let is_answered = answer.is_some();
        let actor = answer.flatten().or_else(|| known.kept());
        draft.event.actor.clone_from(&actor);
        // Without a session nobody is known from before: it would be news at each request.
        let Some(session_id) = session_id else { return Ok(draft) };
        let is_news = actor.is_some() && actor != known.before;
        if is_answered {
            self.identities().learn(session_id, actor, credentials, now);
        }
        if !is_news {
            return Ok(draft);
        }
        // It comes before the event.
        let identified = draft.identified();
        batch.put_back(draft);
        Ok(identified)
    }

    fn event_tags(&self, draft: Draft, batch: &Batch) -> Result<Draft, Abandoned> {
        let Some(hook) = &self.hooks.event_tags else { return Ok(draft) };
        let (mut draft, tags) = self.ask(Stage::EventTags, draft, batch, |request| hook(&request))?;
        draft.event.tags.extend(tags.into_iter().flatten());
        Ok(draft)
    }

    fn event_properties(&self, draft: Draft, batch: &Batch) -> Result<Draft, Abandoned> {
        let Some(hook) = &self.hooks.event_properties else { return Ok(draft) };
        let (mut draft, properties) = self.ask(Stage::EventProperties, draft, batch, |request| {
            let mut properties = hook(&request)?;
            properties.iter_mut().for_each(|(_, value)| json::bound_depth(value));
            Ok(properties)
        })?;
        draft.event.properties.extend(properties.into_iter().flatten());
        Ok(draft)
    }

    /// The event as a hook leaves it, if it does.
    fn redact(&self, stage: Stage, draft: Draft, batch: &Batch) -> Result<Option<Draft>, Abandoned> {
        let hook: &dyn Fn(McpEvent) -> Result<Option<McpEvent>, HookError> = match stage {
            Stage::RedactEvent => match &self.hooks.redact_event {
                Some(hook) => &|event: McpEvent| {
                    let mut event = hook(event)?;
                    if let Some(event) = &mut event {
                        let data = event.actor.iter_mut().filter_map(|actor| actor.data.as_mut());
                        data.chain(event.properties.iter_mut().map(|(_, value)| value)).for_each(json::bound_depth);
                    }
                    Ok(event)
                },
                None => return Ok(Some(draft)),
            },
            _ => match &self.hooks.redact {
                Some(hook) => &|mut event: McpEvent| {
                    visit_strings(&mut event, &RedactHook(&**hook))?;
                    Ok(Some(event))
                },
                None => return Ok(Some(draft)),
            },
        };
        if self.hangs(stage) {
            return Ok(None);
        }
        let Draft { event, request, credentials, since, next, has_failed } = draft;
        batch.begin(stage);
        let answer = run(stage, || hook(event));
        self.back(stage, batch.end())?;
        Ok(answer.flatten().map(|event| Draft { event, request, credentials, since, next, has_failed }))
    }

    /// Asks a hook that decorates; what it gives, if it does.
    fn ask<T>(
        &self,
        stage: Stage,
        mut draft: Draft,
        batch: &Batch,
        hook: impl FnOnce(Arc<HookRequest>) -> Result<T, HookError>,
    ) -> Result<(Draft, Option<T>), Abandoned> {
        let Some(request) = draft.request.clone() else { return Ok((draft, None)) };
        if self.hangs(stage) {
            draft.has_failed = true;
            return Ok((draft, None));
        }
        batch.lend(stage, draft);
        let answer = run(stage, || hook(request));
        let mut draft = self.back(stage, batch.give_back())?;
        draft.has_failed |= answer.is_none();
        Ok((draft, answer))
    }

    /// A hook is back; if nobody waits for it any more, it may be called again.
    fn back<T>(&self, stage: Stage, outcome: Result<T, Abandoned>) -> Result<T, Abandoned> {
        if outcome.is_err() {
            self.hang[stage as usize].store(false, Ordering::Release);
        }
        outcome
    }

    fn set_hangs(&self, stage: Stage) {
        self.hang[stage as usize].store(true, Ordering::Release);
    }

    fn hangs(&self, stage: Stage) -> bool {
        self.hang[stage as usize].load(Ordering::Acquire)
    }

    /// There is no thread for the hooks.
    fn go_without(&self, batch: &Batch) {
        let has_redaction = self.hooks.redact.is_some() || self.hooks.redact_event.is_some();
        while let Some(mut draft) = batch.next() {
            draft.has_failed = draft.request.is_some();
            if has_redaction { batch.lose() } else { batch.finish(draft) }
        }
    }

    fn identities(&self) -> std::sync::MutexGuard<'_, Identities> {
        self.identities.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a hook gives; `None`, and a line in the host's own log, if it fails or panics.
fn run<T>(stage: Stage, hook: impl FnOnce() -> Result<T, HookError>) -> Option<T> {
    let hook_name = stage.name();
    match catch_unwind(AssertUnwindSafe(hook)) {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(error)) => {
            tracing::debug!(target: "watchpost::mcp", hook = hook_name, %error, "a hook failed");
            None
        }
        Err(_) => {
            tracing::debug!(target: "watchpost::mcp", hook = hook_name, "a hook panicked");
            None
        }
    }
}

/// Runs an async hook on this thread, to its end or for so long.
fn block_on<T>(future: impl Future<Output = Result<T, HookError>>, timeout: Duration) -> Result<T, HookError> {
    thread_local! {
        static RUNTIME: std::cell::OnceCell<tokio::runtime::Runtime> = const { std::cell::OnceCell::new() };
    }
    RUNTIME.with(|cell| {
        if cell.get().is_none() {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let _ = cell.set(runtime);
        }
        match cell.get() {
            // One that only waits is given up: unlike a thread, it can be.
            Some(runtime) => runtime.block_on(async { tokio::time::timeout(timeout, future).await? }),
            None => Err("no runtime".into()),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::mcp::track::{Options, worker::Job};

    const LONG: Duration = Duration::from_secs(600);

    fn drafts(names: &[&str]) -> VecDeque<Draft> {
        let draft = |name: &&str| {
            let event = McpEvent { resource_name: Some((*name).to_owned()), ..McpEvent::default() };
            let mut draft = Draft::new(Job::Custom(Box::new(event)), &Options::default(), None);
            draft.request =
                Some(Arc::new(HookRequest { resource_name: Some((*name).to_owned()), ..HookRequest::default() }));
            draft
        };
        names.iter().map(draft).collect()
    }

    fn runner(timeout: Duration, options: Options) -> Runner {
        Runner::new(options.hooks, timeout, None).unwrap()
    }

    /// The names and tags of what comes out, and how many went without, and how many were lost.
    fn out(runner: &mut Runner, names: &[&str]) -> (Vec<(String, usize)>, u64, u64) {
        let (mut events, mut undecorated, mut dropped) = (Vec::new(), 0, 0);
        runner.run(drafts(names), Haste::default, |done| {
            undecorated += done.undecorated;
            dropped += done.dropped;
            events.extend(done.events.into_iter().map(|event| (event.resource_name.unwrap(), event.tags.len())));
        });
        (events, undecorated, dropped)
    }

    fn named(name: &str, tags: usize) -> (String, usize) {
        (name.to_owned(), tags)
    }

    fn tag() -> Vec<(String, String)> {
        vec![("a".to_owned(), "b".to_owned())]
    }

    #[test]
    fn a_hook_that_fails_or_panics_costs_its_decoration_and_is_asked_again() {
        let options = Options::default().event_tags(|request| match request.resource_name.as_deref() {
            Some("panics") => panic!("on purpose"),
            Some("fails") => Err("no".into()),
            _ => Ok(tag()),
        });
        let (events, undecorated, dropped) = out(&mut runner(LONG, options), &["panics", "fails", "works"]);
        assert_eq!(events, [named("panics", 0), named("fails", 0), named("works", 1)]);
        assert_eq!((undecorated, dropped), (2, 0));
    }

    #[test]
    fn a_redaction_that_fails_or_panics_costs_the_event() {
        let options = Options::default().redact(|text| match text {
            "panics" => panic!("on purpose"),
            "fails" => Err("no".into()),
            _ => Ok(None),
        });
        let (events, undecorated, dropped) = out(&mut runner(LONG, options), &["panics", "fails", "works"]);
        assert_eq!((events, undecorated, dropped), (vec![named("works", 0)], 0, 2));
    }

    #[test]
    fn a_hook_that_hangs_is_left_alone_until_it_is_back() {
        let (release, gate) = channel::<()>();
        let (entered, entries) = channel();
        let gate = Mutex::new(gate);
        let options = Options::default()
            .event_tags(move |request| {
                entered.send(request.resource_name.clone())?;
                gate.lock().map_err(|_| "poisoned")?.recv()?;
                Ok(tag())
            })
            .event_properties(|_| Ok(vec![("c".to_owned(), "d".into())]));
        let mut runner = runner(Duration::from_millis(1), options);
        let (events, undecorated, _) = out(&mut runner, &["one", "two"]);
        assert_eq!((events, undecorated), (vec![named("one", 0), named("two", 0)], 2));
        assert_eq!(entries.iter().next(), Some(Some("one".to_owned())));
        assert!(entries.try_recv().is_err(), "not called while it hangs");
        // It comes back, and from now on in time.
        drop(release);
        let later = std::iter::repeat_with(|| out(&mut runner, &["later"])).take(1_000_000);
        assert!(later.into_iter().any(|_| entries.try_recv().is_ok()), "it is asked again");
    }

    #[test]
    fn a_redaction_that_hangs_loses_its_event_and_those_that_come_meanwhile() {
        let (release, gate) = channel::<()>();
        let gate = Mutex::new(gate);
        let options = Options::default().redact_event(move |event| {
            let _ = gate.lock().map_err(|_| "poisoned")?.recv();
            Ok(Some(event))
        });
        let mut runner = runner(Duration::from_millis(1), options);
        assert_eq!(out(&mut runner, &["one", "two"]), (Vec::new(), 0, 2));
        drop(release);
    }

    #[test]
    fn an_async_hook_runs_with_timers_and_is_given_up_in_time() {
        let answer = block_on(
            async {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(7)
            },
            LONG,
        );
        assert_eq!(answer.unwrap(), 7);
        assert!(block_on(std::future::pending::<Result<(), HookError>>(), Duration::from_millis(1)).is_err());
    }
}
