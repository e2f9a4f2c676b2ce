//! The writer: does on disk what the shelf asks for. Without a thread of its own; the delivery's shell gives it one.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    account::Account,
    folder::{Queue, TakenSegment, queues},
    read_back::Content,
    record::{Found, scan, seal},
    shelf::{Command, FileId, OWN_QUEUE},
};

/// So many queues of dead processes are held at a time: each takes up to two of the files that a process may have open.
const MAX_TAKEN: usize = 64;

/// The disk's side of the spool.
#[derive(Debug)]
pub(in super::super) struct Writer {
    destination: PathBuf,
    /// Ours first, once there is one, then those that were taken over.
    own: Option<Queue>,
    taken: Vec<Option<TakenQueue>>,
    /// There were more than may be held at a time.
    has_more: bool,
    /// Whether something was appended since the last sync.
    dirty: bool,
    /// An append failed. Another behind it would not stand where the shelf thinks.
    failed: bool,
    /// When this process began to use the spool, in milliseconds since 1970.
    since: u64,
    /// The account as it was written last.
    account: Account,
}

/// A queue that was taken over, and how many of its segments are still to be done with.
#[derive(Debug)]
struct TakenQueue {
    queue: Queue,
    segments: usize,
}

impl Writer {
    /// The writer for a destination. Nothing is touched before there is something to do.
    pub(in super::super) fn new(folder: &Path, destination: &str, since: u64) -> Self {
        let destination = folder.join(destination);
        let account = Account::default();
        let taken = Vec::new();
        Self { destination, own: None, taken, has_more: false, dirty: false, failed: false, since, account }
    }

    /// Takes over what dead processes have left, oldest first: gives their segments, by the file they are known by from now on.
    pub(in super::super) fn take_over(&mut self, mut each: impl FnMut(FileId, TakenSegment)) {
        self.has_more = false;
        for path in queues(&self.destination).unwrap_or_default() {
            if self.is_full() {
                self.has_more = true;
                return;
            }
            let Some(queue) = Queue::take_over(path) else { continue };
            let number = self.taken.len() as u32 + 1;
            let mut segments = 0;
            for segment in queue.segments() {
                segments += 1;
                each(FileId { queue: number, number: segment.number }, segment);
            }
            if segments == 0 {
                queue.close();
            } else {
                self.taken.push(Some(TakenQueue { queue, segments }));
            }
        }
    }

    /// Whether dead processes may have left more than was [taken over](Self::take_over) yet.
    pub(in super::super) const fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether it is time to take more over.
    pub(in super::super) fn wants_more(&self) -> bool {
        self.has_more && !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.taken.iter().flatten().count() >= MAX_TAKEN
    }

    /// Does what is asked for, in order. What is done is done, also when something fails later. What was written is in `written`
    /// to be filled again.
    pub(in super::super) fn execute(
        &mut self,
        commands: Vec<Command>,
        read: &mut Vec<Content>,
        written: &mut Vec<Vec<u8>>,
    ) -> io::Result<()> {
        let mut result = Ok(());
        for command in commands {
            let done = match command {
                Command::Append { .. } if self.failed => Ok(()),
                Command::Append { file, mut bytes } => {
                    self.dirty = true;
                    seal(&mut bytes);
                    let appended = self.own_queue().and_then(|queue| queue.append(file.number, &bytes));
                    self.failed = appended.is_err();
                    written.push(bytes);
                    appended
                }
                Command::Acknowledge { file, offsets } => match self.queue(file.queue) {
                    Some(queue) => queue.acknowledge(file.number, &offsets),
                    None => Ok(()),
                },
                Command::Delete { file } => self.delete(file),
                Command::Read { file, wanted } => {
                    let bytes = self.queue(file.queue).and_then(|queue| queue.read(file.number).ok());
                    read.push(Content { file, bytes, wanted });
                    Ok(())
                }
            };
            result = result.and(done);
        }
        result
    }

    /// Brings everything appended to the disk.
    pub(in super::super) fn sync(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.dirty) {
            return Ok(());
        }
        self.own.as_mut().map_or(Ok(()), Queue::sync)
    }

    /// What of a file of ours can be read back.
    pub(in super::super) fn found(&self, file: FileId) -> Found {
        let content = self.own.as_ref().and_then(|queue| queue.read(file.number).ok());
        content.map(|content| scan(&content)).unwrap_or_default()
    }

    /// Keeps what other processes may know of this one, if that has changed. A ledger that can't be written costs nothing else.
    pub(in super::super) fn tell(&mut self, mut account: Account) {
        if account == self.account || self.own.is_none() && (self.failed || account.is_empty()) {
            return;
        }
        self.account.clone_from(&account);
        account.since = self.since;
        let told = self.own_queue().and_then(|queue| queue.write_account(&mut account));
        if let Err(error) = told {
            tracing::debug!(target: "watchpost", %error, "could not write the spool's ledger");
        }
    }

    pub(in super::super) const fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Gives all queues up: empty ones go, the others are left to who comes next.
    pub(in super::super) fn close(mut self) {
        let _ = self.sync();
        let taken = self.taken.into_iter().flatten().map(|taken| taken.queue);
        self.own.into_iter().chain(taken).for_each(Queue::close);
    }

    /// Deletes a segment; gives a queue up that was taken over and has no other.
    fn delete(&mut self, file: FileId) -> io::Result<()> {
        let deleted = self.queue(file.queue).map_or(Ok(()), |queue| queue.delete(file.number));
        if file.queue != OWN_QUEUE
            && let Some(place) = self.taken.get_mut(file.queue as usize - 1)
            && let Some(taken) = place
        {
            taken.segments = taken.segments.saturating_sub(1);
            if taken.segments == 0
                && let Some(done) = place.take()
            {
                done.queue.close();
            }
        }
        deleted
    }

    fn own_queue(&mut self) -> io::Result<&mut Queue> {
        match &mut self.own {
            Some(queue) => Ok(queue),
            empty => Ok(empty.insert(Queue::create(&self.destination)?)),
        }
    }

    fn queue(&mut self, number: u32) -> Option<&mut Queue> {
        if number == OWN_QUEUE {
            return self.own.as_mut();
        }
        Some(&mut self.taken.get_mut(number as usize - 1)?.as_mut()?.queue)
    }
}
