//! The thread that makes events of calls: decorates them by the host's hooks, redacts them, and hands them to the exporters.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Options,
    call::Finished,
    custom::own_session_id,
    hooks::{HookError, HookRequest, Hooks, Properties, Runner, Tags, block_on},
    options::Exporter,
    queue::Queue,
};
use crate::{
    exporter::Discarded,
    model::{Actor, Completion, McpEvent, event_id},
    redact::{Redactor, visit_strings},
};

/// Jobs taken at once.
const BATCH: usize = 64;
/// Sessions whose actor is remembered, and how long it is not asked for again.
const MAX_IDENTITIES: usize = 10_000;
const IDENTITY_AGE: Duration = Duration::from_secs(60);

/// What the thread works on.
#[derive(Debug)]
pub(super) enum Job {
    Call(Box<Finished>),
    Custom(Box<McpEvent>),
}

/// What the thread shares with the tracker.
pub(super) struct Shared {
    pub(super) queue: Queue<Job>,
    pub(super) exporters: Vec<Exporter>,
    pub(super) options: Options,
    pub(super) project_id: Option<String>,
    dropped_by_hooks: AtomicU64,
}

impl Shared {
    pub(super) fn new(exporters: Vec<Exporter>, options: Options, project_id: Option<String>) -> Self {
        Self { queue: Queue::default(), exporters, options, project_id, dropped_by_hooks: AtomicU64::new(0) }
    }

    /// Counts an event that no exporter gets.
    pub(super) fn discard(&self, why: Discarded) {
        if why == Discarded::Hook {
            self.dropped_by_hooks.fetch_add(1, Ordering::Relaxed);
        }
        for Exporter { exporter, .. } in &self.exporters {
            // An exporter of the host's own may panic.
            let _ = catch_unwind(AssertUnwindSafe(|| exporter.discard(why)));
        }
    }

    pub(super) fn dropped_by_hooks(&self) -> u64 {
        self.dropped_by_hooks.load(Ordering::Relaxed)
    }
}

/// Works until the queue is closed and empty.
pub(super) fn work(shared: &Shared) {
    let mut worker = Worker::new(shared);
    let mut jobs = Vec::with_capacity(BATCH);
    while shared.queue.take(&mut jobs, BATCH) {
        let taken = jobs.len() as u64;
        for job in jobs.drain(..) {
            if catch_unwind(AssertUnwindSafe(|| worker.process(job))).is_err() {
                shared.discard(Discarded::Internal);
            }
        }
        shared.queue.finish(taken);
    }
    shared.queue.end();
}

struct Worker<'a> {
    shared: &'a Shared,
    hooks: Runners,
    identities: HashMap<String, Identified>,
}

/// The hooks on their threads.
struct Runners {
    identify: Option<Runner<Arc<HookRequest>, Option<Actor>>>,
    event_tags: Option<Runner<Arc<HookRequest>, Tags>>,
    event_properties: Option<Runner<Arc<HookRequest>, Properties>>,
    resolve_session_id: Option<Runner<Arc<HookRequest>, Option<String>>>,
    redact: Option<Runner<McpEvent, McpEvent>>,
    redact_event: Option<Runner<McpEvent, Option<McpEvent>>>,
}

/// The host's hook over strings.
struct RedactHook<'a>(&'a dyn Fn(&str) -> Result<Option<String>, HookError>);

impl Redactor for RedactHook<'_> {
    type Error = HookError;

    fn text(&self, text: &str) -> Result<Option<String>, HookError> {
        self.0(text)
    }
}

/// Who a session is for.
struct Identified {
    actor: Option<Actor>,
    credentials: Option<u64>,
    at: Instant,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared) -> Self {
        let Hooks { identify, event_tags, event_properties, resolve_session_id, redact, redact_event } =
            shared.options.hooks.clone();
        let timeout = shared.options.hook_timeout;
        let hooks = Runners {
            identify: identify.map(|hook| {
                Runner::start("identify", timeout, move |request: Arc<HookRequest>| block_on(hook(request)))
            }),
            event_tags: event_tags
                .map(|hook| Runner::start("event-tags", timeout, move |request: Arc<HookRequest>| hook(&request))),
            event_properties: event_properties
                .map(|hook| Runner::start("event-props", timeout, move |request: Arc<HookRequest>| hook(&request))),
            resolve_session_id: resolve_session_id
                .map(|hook| Runner::start("session", timeout, move |request: Arc<HookRequest>| hook(&request))),
            redact: redact.map(|hook| {
                Runner::start("redact", timeout, move |mut event: McpEvent| {
                    visit_strings(&mut event, &RedactHook(&*hook))?;
                    Ok(event)
                })
            }),
            redact_event: redact_event.map(|hook| Runner::start("redact-event", timeout, move |event| hook(event))),
        };
        Self { shared, hooks, identities: HashMap::new() }
    }

    fn process(&mut self, job: Job) {
        match job {
            Job::Custom(event) => self.send(*event),
            Job::Call(finished) => self.call(*finished),
        }
    }

    fn call(&mut self, mut finished: Finished) {
        let request = finished.opened.request.take().map(|request| Arc::new(*request));
        let credentials = finished.opened.credentials;
        let mut event = event_of(finished, self.shared);
        if let Some(request) = request {
            if let Some(runner) = &mut self.hooks.resolve_session_id
                && let Some(Some(handle)) = runner.run(Arc::clone(&request))
            {
                event.session_id = Some(own_session_id(&handle, self.shared.project_id.as_deref()));
            }
            self.identify(&mut event, &request, credentials);
            if let Some(runner) = &mut self.hooks.event_tags
                && let Some(tags) = runner.run(Arc::clone(&request))
            {
                event.tags.extend(tags);
            }
            if let Some(runner) = &mut self.hooks.event_properties
                && let Some(properties) = runner.run(request)
            {
                event.properties.extend(properties);
            }
        }
        self.send(event);
    }

    /// Puts the session's actor into the event; asks for it when it is not known or may be another.
    fn identify(&mut self, event: &mut McpEvent, request: &Arc<HookRequest>, credentials: Option<u64>) {
        let Some(runner) = &mut self.hooks.identify else { return };
        let now = Instant::now();
        let known = event.session_id.as_deref().and_then(|id| self.identities.get(id));
        let is_known = known.is_some_and(|known| {
            known.credentials == credentials && now.saturating_duration_since(known.at) < IDENTITY_AGE
        });
        let before = known.and_then(|known| known.actor.clone());
        if is_known {
            event.actor = before;
            return;
        }
        // Whoever others credentials belong to is not whom we knew.
        let same_credentials = known.is_none_or(|known| known.credentials == credentials);
        let answer = runner.run(Arc::clone(request));
        let failed = answer.is_none();
        let kept = if same_credentials { before.clone() } else { None };
        let actor = answer.flatten().or(kept);
        event.actor.clone_from(&actor);
        if actor.is_some() && actor != before {
            let identified = McpEvent {
                event_id: event_id(event.timestamp),
                event_type: "identify".into(),
                session_id: event.session_id.clone(),
                project_id: event.project_id.clone(),
                timestamp: event.timestamp,
                actor: actor.clone(),
                server: event.server.clone(),
                client: event.client.clone(),
                protocol_version: event.protocol_version.clone(),
                transport: event.transport,
                mcp_session_id: event.mcp_session_id.clone(),
                tags: event.tags.clone(),
                ..McpEvent::default()
            };
            self.send(identified);
        }
        // One that failed is asked again at the next request.
        if let Some(session_id) = event.session_id.clone().filter(|_| !failed) {
            if self.identities.len() >= MAX_IDENTITIES {
                self.forget_identities();
            }
            self.identities.insert(session_id, Identified { actor, credentials, at: now });
        }
    }

    /// Forgets the older half.
    fn forget_identities(&mut self) {
        let mut times: Vec<_> = self.identities.values().map(|known| known.at).collect();
        times.sort_unstable();
        if let Some(&middle) = times.get(times.len() / 2) {
            self.identities.retain(|_, known| known.at > middle);
        }
    }

    /// Redacts an event by the host's hooks and hands it on.
    fn send(&mut self, event: McpEvent) {
        let mut event = event;
        if let Some(runner) = &mut self.hooks.redact_event {
            match runner.run(event) {
                Some(Some(changed)) => event = changed,
                Some(None) | None => return self.shared.discard(Discarded::Hook),
            }
        }
        if let Some(runner) = &mut self.hooks.redact {
            match runner.run(event) {
                Some(clean) => event = clean,
                None => return self.shared.discard(Discarded::Hook),
            }
        }
        for Exporter { exporter, .. } in &self.shared.exporters {
            if catch_unwind(AssertUnwindSafe(|| exporter.export(&event))).is_err() {
                tracing::warn!(target: "watchpost::mcp", "an exporter panicked; the event is lost to it");
            }
        }
    }
}

fn event_of(finished: Finished, shared: &Shared) -> McpEvent {
    let Finished { opened, event_id, session, answer, completion, cancel_reason, said, completed, duration } = finished;
    let mut error = answer.error;
    // What the tool's body said is nearer to the cause than what it answered; the blocks of the answer stay.
    if completion != Completion::Cancelled
        && let (Some(answered), Some(mut captured)) = (error.as_mut(), said.error)
    {
        captured.content = std::mem::take(&mut answered.content);
        captured.code = answered.code;
        captured.data = captured.data.or(answered.data.take());
        error = Some(captured);
    }
    let mut tags: Vec<_> = shared.options.tags.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    tags.extend(said.tags);
    let (session_id, client) = match session {
        Some(session) => (Some(session.id.to_string()), session.client.as_deref().cloned()),
        None => (None, None),
    };
    McpEvent {
        event_id,
        session_id,
        project_id: shared.project_id.clone(),
        event_type: opened.method,
        resource_name: opened.resource_name,
        timestamp: completed,
        duration: (!opened.is_notification).then_some(duration),
        is_error: error.is_some(),
        error: error.map(|error| *error),
        completion,
        cancel_reason,
        user_intent: opened.user_intent,
        server: (*opened.server).clone(),
        client: client.unwrap_or_default(),
        protocol_version: opened.protocol_version.map(std::borrow::Cow::into_owned),
        transport: opened.transport,
        direction: opened.direction,
        is_notification: opened.is_notification,
        request_id: opened.request_id.map(|id| id.to_string()),
        mcp_session_id: opened.mcp_session_id,
        tool_call_id: opened.tool_call_id,
        trace_parent: opened.trace_parent,
        content_count: answer.content_count,
        arguments: opened.arguments,
        result: answer.result,
        tags,
        properties: said.properties,
        ..McpEvent::default()
    }
}
