//! The writer: does on disk what the shelf asks for. Without a thread of its own; the delivery's shell gives it one.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    account::Account,
    folder::{Queue, TakenSegment},
    record::{Found, scan},
    shelf::{Command, FileId, OWN_QUEUE},
};

/// The disk's side of the spool.
#[derive(Debug)]
pub(in super::super) struct Writer {
    destination: PathBuf,
    /// Ours first, once there is one, then those that were taken over.
    own: Option<Queue>,
    taken: Vec<Option<Queue>>,
    /// Whether something was appended since the last sync.
    dirty: bool,
    /// An append failed. Another behind it would not stand where the shelf thinks.
    failed: bool,
    /// When this process began to use the spool, in milliseconds since 1970.
    since: u64,
    /// The account as it was written last.
    account: Account,
}

/// A segment that was read back; `None` if it can't be read.
pub(in super::super) type Content = (FileId, Option<Vec<u8>>);

impl Writer {
    /// The writer for a destination. Nothing is touched before there is something to do.
    pub(in super::super) fn new(folder: &Path, destination: &str, since: u64) -> Self {
        let destination = folder.join(destination);
        let account = Account::default();
        Self { destination, own: None, taken: Vec::new(), dirty: false, failed: false, since, account }
    }

    /// Takes over what dead processes have left: gives their segments, by the file they are known by from now on.
    pub(in super::super) fn take_over(&mut self, mut each: impl FnMut(FileId, TakenSegment)) {
        for queue in Queue::take_over_all(&self.destination).unwrap_or_default() {
            let number = self.taken.len() as u32 + 1;
            let mut is_empty = true;
            for segment in queue.segments() {
                is_empty = false;
                each(FileId { queue: number, number: segment.number }, segment);
            }
            if is_empty {
                queue.close();
            } else {
                self.taken.push(Some(queue));
            }
        }
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
                Command::Append { file, bytes } => {
                    self.dirty = true;
                    let appended = self.own_queue().and_then(|queue| queue.append(file.number, &bytes));
                    self.failed = appended.is_err();
                    written.push(bytes);
                    appended
                }
                Command::Acknowledge { file, offsets } => match self.queue(file.queue) {
                    Some(queue) => queue.acknowledge(file.number, &offsets),
                    None => Ok(()),
                },
                Command::Delete { file } => match self.queue(file.queue) {
                    Some(queue) => queue.delete(file.number),
                    None => Ok(()),
                },
                Command::Read { file } => {
                    read.push((file, self.queue(file.queue).and_then(|queue| queue.read(file.number).ok())));
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
        self.own.into_iter().chain(self.taken.into_iter().flatten()).for_each(Queue::close);
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
        self.taken.get_mut(number as usize - 1)?.as_mut()
    }
}
