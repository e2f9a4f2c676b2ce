//! The spool on a disk of the tests' own: whatever happens, in whatever order, and whoever is killed, what was written arrives
//! or is counted, and arrives twice only after a kill.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;

use super::*;
use crate::delivery::{
    SpoolConfig,
    spool::{Command, Content, scan, seal},
};

/// Small, so that there are many.
const SEGMENT: u32 = 16 * 1024;
/// The time of day at which a world begins: 2026-01-01.
const MORNING_MS: u64 = 1_767_225_600_000;

/// A dead or living process's queue.
#[derive(Debug, Default)]
struct Queue {
    segments: BTreeMap<u32, Vec<u8>>,
    acks: Vec<(u32, u32)>,
}

/// A world with a disk. Its logs are numbers, so that it can be told which of them arrived.
struct Spooled {
    world: World,
    limits: [usize; Lane::COUNT],
    max_bytes: u64,
    disk: Vec<Queue>,
    /// Which of the disk's queues a queue of the shelf is.
    queues: HashMap<u32, usize>,
    next: u64,
    unwritten: Vec<u64>,
    written: BTreeSet<u64>,
    arrived: Vec<u64>,
    /// Logs that processes which were killed had counted as dropped.
    dropped_before: u64,
    kills: u64,
}

impl Spooled {
    fn new(limit: usize, max_bytes: u64) -> Self {
        let limits = [limit; Lane::COUNT];
        let mut spooled = Self {
            world: World::new(limits, 3),
            limits,
            max_bytes,
            disk: Vec::new(),
            queues: HashMap::new(),
            next: 0,
            unwritten: Vec::new(),
            written: BTreeSet::new(),
            arrived: Vec::new(),
            dropped_before: 0,
            kills: 0,
        };
        spooled.boot();
        spooled
    }

    /// A new process, which takes over what is on the disk.
    fn boot(&mut self) {
        let config = SpoolConfig::new("nowhere").with_max_bytes(self.max_bytes);
        self.world = World { now: self.world.now, ..World::new(self.limits, 3) };
        self.world.state.wall_ms = MORNING_MS;
        self.world.state.shelf = Some(Shelf::new(&config).with_segment_bytes(SEGMENT));
        self.queues.clear();
        let mut segments = Vec::new();
        for (place, queue) in self.disk.iter().enumerate().filter(|(_, queue)| !queue.segments.is_empty()) {
            let id = self.queues.len() as u32 + 1;
            self.queues.insert(id, place);
            for (number, content) in &queue.segments {
                let of_it = queue.acks.iter().filter(|(about, _)| about == number);
                let taken = TakenSegment {
                    number: *number,
                    bytes: content.len() as u32,
                    found: scan(content),
                    acknowledged: of_it.map(|(_, offset)| *offset).collect(),
                };
                segments.push((FileId { queue: id, number: *number }, taken));
            }
        }
        self.queues.insert(0, self.disk.len());
        self.disk.push(Queue::default());
        self.world.act(|state, _, effects| state.take_over(segments, effects));
    }

    fn log(&mut self, bytes: usize) {
        let json = format!("{:0bytes$}", self.next);
        self.unwritten.push(self.next);
        self.next += 1;
        self.world.act(|state, now, effects| state.log(json.as_bytes(), || now, effects));
    }

    fn foreign(&mut self, attachments: usize) {
        let mut envelope = b"{}\n{\"type\":\"event\"}\n{}\n{\"type\":\"session\"}\n{}\n".to_vec();
        for _ in 0..attachments {
            envelope.extend_from_slice(b"{\"type\":\"attachment\",\"length\":3000}\n");
            envelope.extend_from_slice(&[b'\n'; 3_001]);
        }
        for parcel in foreign::parcels(&envelope, "key").unwrap() {
            self.world.act(|state, now, effects| state.single(parcel, || now, effects));
        }
    }

    /// The disk does what it is asked for.
    fn write(&mut self) {
        let commands = self.world.state.shelf.as_mut().unwrap().take_commands();
        self.written.extend(self.unwritten.drain(..));
        let mut read = Vec::new();
        for command in commands {
            let (Command::Append { file, .. }
            | Command::Acknowledge { file, .. }
            | Command::Delete { file }
            | Command::Read { file, .. }) = &command;
            let file = *file;
            let queue = &mut self.disk[self.queues[&file.queue]];
            match command {
                Command::Append { mut bytes, .. } => {
                    seal(&mut bytes);
                    queue.segments.entry(file.number).or_default().extend(bytes);
                }
                Command::Acknowledge { offsets, .. } => {
                    queue.acks.extend(offsets.into_iter().map(|offset| (file.number, offset)));
                }
                Command::Delete { .. } => drop(queue.segments.remove(&file.number)),
                Command::Read { wanted, .. } => {
                    let bytes = queue.segments.get(&file.number).cloned();
                    read.push(Content { file, bytes, wanted });
                }
            }
        }
        for content in read {
            let mut content = ReadBack::of(content, "key");
            self.world.act(|state, now, effects| state.restore(&mut content, now, effects));
        }
    }

    fn answer(&mut self, place: usize, answer: Answer) {
        if place >= self.world.under_way.len() {
            return;
        }
        if matches!(&answer, Answer::Response(response) if response.status == 200)
            && let Some(parcel) = &self.world.under_way[place].parcel
            && parcel.head.is_none()
        {
            let payload = String::from_utf8(parcel.payload.to_vec()).unwrap();
            self.arrived.extend(payload.split(',').map(|number| number.parse::<u64>().unwrap()));
        }
        self.world.answer(place, answer);
    }

    fn kill(&mut self) {
        self.dropped_before += self.dropped();
        self.kills += 1;
        // What the disk has not got is lost with the process.
        self.unwritten.clear();
        self.boot();
    }

    fn dropped(&self) -> u64 {
        self.world.outcome().tally(Category::LogItem).dropped()
    }

    /// Sentry is up, nobody is killed any more, and there is all the time in the world.
    fn settle(&mut self) {
        for _ in 0..2_000 {
            self.write();
            while !self.world.under_way.is_empty() {
                self.answer(0, ok());
            }
            if self.world.outcome().held() == 0 {
                break;
            }
            self.world.pass(Duration::from_secs(1));
        }
        self.write();
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let outcome = self.world.outcome();
        for category in Category::ALL {
            let tally = outcome.tally(*category);
            prop_assert_eq!(tally.accepted, tally.sent + tally.held + tally.dropped(), "{}", category);
        }
        for lane in Lane::ALL {
            let (bytes, limit) = self.world.state.queues.fill(lane);
            prop_assert!(bytes + self.world.state.open_bytes(lane) <= limit, "{:?}", lane);
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Event {
    Logs(usize, usize),
    /// An error of another SDK with so many attachments, and a session beside it.
    Foreign(usize),
    Write,
    Answer(usize, u16),
    Unreachable(usize),
    Limit(usize, &'static str),
    Pass(u64),
    Flush,
    Kill,
}

fn events(kills: bool, foreign: bool) -> impl Strategy<Value = Vec<Event>> {
    let statuses = prop_oneof![Just(200_u16), Just(200), Just(200), Just(400), Just(413), Just(429), Just(500)];
    let kill = if kills { 1 } else { 0 };
    let foreign = if foreign { 6 } else { 0 };
    let limits = prop_oneof![Just("1:log_item:o"), Just("3::o"), Just("2:attachment:o"), Just("2:error:o")];
    let event = prop_oneof![
        6 => (1..200_usize, 20..400_usize).prop_map(|(count, bytes)| Event::Logs(count, bytes)),
        foreign => (0..3_usize).prop_map(Event::Foreign),
        6 => Just(Event::Write),
        6 => (0..4_usize, statuses).prop_map(|(place, status)| Event::Answer(place, status)),
        2 => (0..4_usize).prop_map(Event::Unreachable),
        1 => (0..4_usize, limits).prop_map(|(at, limits)| Event::Limit(at, limits)),
        3 => (0..8_000_u64).prop_map(Event::Pass),
        1 => Just(Event::Flush),
        kill => Just(Event::Kill),
    ];
    proptest::collection::vec(event, 0..60)
}

fn run(events: Vec<Event>, limit: usize, max_bytes: u64) -> Result<Spooled, TestCaseError> {
    let mut spooled = Spooled::new(limit, max_bytes);
    for event in events {
        match event {
            Event::Logs(count, bytes) => (0..count).for_each(|_| spooled.log(bytes)),
            Event::Foreign(attachments) => spooled.foreign(attachments),
            Event::Write => spooled.write(),
            Event::Answer(place, code) => spooled.answer(place, status(code)),
            Event::Unreachable(place) => spooled.answer(place, unreachable_sentry()),
            Event::Limit(place, limits) => spooled.answer(place, limited(200, limits)),
            Event::Pass(millis) => spooled.world.pass(Duration::from_millis(millis)),
            Event::Flush => drop(spooled.world.flush()),
            Event::Kill => spooled.kill(),
        }
        spooled.check()?;
    }
    spooled.settle();
    spooled.check()?;
    prop_assert_eq!(spooled.world.outcome().held(), 0);
    Ok(spooled)
}

proptest! {
    // Each case is a long story.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn without_a_kill_everything_arrives_once_or_is_counted(events in events(false, false), limit in 8_000_usize..60_000) {
        let spooled = run(events, limit, 1 << 30)?;
        let arrived: BTreeSet<u64> = spooled.arrived.iter().copied().collect();
        prop_assert_eq!(arrived.len(), spooled.arrived.len(), "nothing arrives twice");
        prop_assert_eq!(spooled.next - arrived.len() as u64, spooled.dropped());
        let outcome = spooled.world.outcome();
        let refused = outcome.dropped_by(DropReason::SendError);
        prop_assert!(spooled.dropped() >= refused);
    }

    #[test]
    fn whoever_is_killed_what_was_written_arrives_or_is_counted(events in events(true, false), limit in 8_000_usize..60_000) {
        let spooled = run(events, limit, 1 << 30)?;
        let arrived: BTreeSet<u64> = spooled.arrived.iter().copied().collect();
        let missing = spooled.written.difference(&arrived).count() as u64;
        prop_assert!(missing <= spooled.dropped_before + spooled.dropped(), "{} are missing", missing);
        if spooled.kills == 0 {
            prop_assert_eq!(arrived.len(), spooled.arrived.len(), "nothing arrives twice");
        }
        let left: usize = spooled.disk.iter().map(|queue| queue.segments.len()).sum();
        prop_assert!(left <= 1, "{} segments are left; one may be the one being written", left);
    }

    #[test]
    fn what_other_sdks_send_is_sent_or_counted_too(
        events in events(true, true),
        limit in 8_000_usize..60_000,
        max_bytes in 32_000_u64..1_000_000,
    ) {
        let spooled = run(events, limit, max_bytes)?;
        let outcome = spooled.world.outcome();
        for category in [Category::Error, Category::Attachment, Category::Session] {
            let tally = outcome.tally(category);
            prop_assert_eq!(tally.accepted, tally.sent + tally.dropped());
            prop_assert_eq!(tally.accepted_bytes, tally.sent_bytes + tally.dropped_bytes());
        }
    }

    #[test]
    fn the_bound_in_bytes_holds_and_what_it_costs_is_counted(events in events(false, false), limit in 8_000_usize..20_000) {
        const MAX: u64 = 64 * 1024;
        let spooled = run(events, limit, MAX)?;
        let arrived: BTreeSet<u64> = spooled.arrived.iter().copied().collect();
        prop_assert_eq!(arrived.len(), spooled.arrived.len(), "nothing arrives twice");
        prop_assert_eq!(spooled.next - arrived.len() as u64, spooled.dropped());
        prop_assert!(spooled.world.outcome().spool_bytes <= MAX + u64::from(SEGMENT) + 1_024);
    }
}

#[test]
fn what_does_not_fit_in_memory_waits_on_disk_and_is_sent_after_the_outage() {
    let mut spooled = Spooled::new(20_000, 1 << 30);
    for _ in 0..3_000 {
        spooled.log(100);
        spooled.write();
        while !spooled.world.under_way.is_empty() {
            spooled.answer(0, unreachable_sentry());
        }
    }
    let outcome = spooled.world.outcome();
    assert_eq!((outcome.held(), outcome.dropped()), (3_000, 0));
    assert!(spooled.world.state.shelf.as_ref().unwrap().spilled(Lane::Log) > 2_500);
    spooled.settle();
    assert_eq!(spooled.world.outcome().sent(), 3_000);
}

#[test]
fn a_limited_lane_waits_on_disk_and_wakes_the_worker_when_the_limit_ends() {
    let mut spooled = Spooled::new(100_000, 1 << 30);
    (0..100).for_each(|_| spooled.log(100));
    spooled.write();
    spooled.answer(0, limited(429, "60:log_item:org"));
    (0..100).for_each(|_| spooled.log(100));
    spooled.write();
    spooled.world.pass(Duration::from_secs(59));
    spooled.write();
    assert!(spooled.world.under_way.is_empty());
    assert_eq!(spooled.world.outcome().held(), 200);
    spooled.world.pass(Duration::from_secs(2));
    spooled.settle();
    assert_eq!((spooled.world.outcome().sent(), spooled.world.outcome().dropped()), (200, 0));
}

#[test]
fn what_waited_too_long_is_dropped_and_counted() {
    let mut spooled = Spooled::new(20_000, 1 << 30);
    (0..100).for_each(|_| spooled.log(100));
    spooled.write();
    spooled.kill();
    spooled.world.state.wall_ms += 8 * 24 * 60 * 60 * 1000;
    spooled.world.pass(Duration::from_secs(1));
    spooled.settle();
    let outcome = spooled.world.outcome();
    assert_eq!((outcome.sent(), outcome.dropped_by(DropReason::CacheOverflow), outcome.recovered), (0, 100, 100));
}

#[test]
fn what_was_accepted_before_the_clock_was_set_is_not_taken_for_old() {
    let mut spooled = Spooled::new(20_000, 1 << 30);
    spooled.world.state.wall_ms = 5_000;
    (0..100).for_each(|_| spooled.log(100));
    spooled.write();
    spooled.kill();
    spooled.world.pass(Duration::from_secs(1));
    spooled.settle();
    assert_eq!((spooled.world.outcome().sent(), spooled.world.outcome().dropped()), (100, 0));
}
