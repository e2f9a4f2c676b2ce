//! The writer: does on disk what the shelf asks for. Without a thread of its own; the delivery's shell gives it one.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    folder::{Queue, TakenSegment},
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
}

/// A segment that was read back; `None` if it can't be read.
pub(in super::super) type Content = (FileId, Option<Vec<u8>>);

impl Writer {
    /// The writer for a destination. Nothing is touched before there is something to do.
    pub(in super::super) fn new(folder: &Path, destination: &str) -> Self {
        Self { destination: folder.join(destination), own: None, taken: Vec::new(), dirty: false }
    }

    /// Takes over what dead processes have left: their segments, by the file they are known by from now on.
    pub(in super::super) fn take_over(&mut self) -> Vec<(FileId, TakenSegment)> {
        let queues = Queue::take_over_all(&self.destination).unwrap_or_default();
        let mut segments = Vec::new();
        for queue in queues {
            let of_queue = queue.segments();
            if of_queue.is_empty() {
                queue.close();
                continue;
            }
            self.taken.push(Some(queue));
            let queue = self.taken.len() as u32;
            segments.extend(of_queue.into_iter().map(|segment| (FileId { queue, number: segment.number }, segment)));
        }
        segments
    }

    /// Does what is asked for, in order. What is done is done, also when something fails later.
    pub(in super::super) fn execute(&mut self, commands: Vec<Command>, read: &mut Vec<Content>) -> io::Result<()> {
        let mut result = Ok(());
        for command in commands {
            let done = match command {
                Command::Append { file, bytes } => {
                    self.dirty = true;
                    self.own_queue().and_then(|queue| queue.append(file.number, &bytes))
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
        self.own.as_ref().map_or(Ok(()), Queue::sync)
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
