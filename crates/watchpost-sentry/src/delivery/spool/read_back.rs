//! A segment read back, its items decoded. Decoding a segment takes a millisecond or so, and is done before the delivery's lock is
//! taken: whoever hands something over does not wait for it.

use super::{
    record::{self, Entry, Stored},
    shelf::FileId,
};

/// A segment's bytes, `None` if they can't be read, and which of its records are wanted: those at these offsets, else all.
#[derive(Debug)]
pub(in super::super) struct Content {
    pub(in super::super) file: FileId,
    pub(in super::super) bytes: Option<Vec<u8>>,
    pub(in super::super) wanted: Option<Vec<u32>>,
}

/// What is in it.
#[derive(Debug)]
pub(in super::super) struct ReadBack {
    pub(super) file: FileId,
    /// The records found, where all were wanted.
    pub(super) entries: Vec<Entry>,
    /// Each record that was wanted, by its offset: when it was accepted and its item, if it can be read.
    items: Vec<(u32, Option<(u64, Stored)>)>,
}

impl ReadBack {
    /// Decodes it; `public_key` is the DSN's, for sampling contexts.
    pub(in super::super) fn of(content: Content, public_key: &str) -> Self {
        let Content { file, bytes, wanted } = content;
        let bytes = bytes.unwrap_or_default();
        let entries = if wanted.is_none() { record::scan(&bytes).entries } else { Vec::new() };
        let mut offsets = wanted.unwrap_or_else(|| entries.iter().map(|entry| entry.offset).collect());
        offsets.sort_unstable();
        let item = |offset| (offset, record::read(&bytes, offset, public_key));
        Self { file, entries, items: offsets.into_iter().map(item).collect() }
    }

    /// Takes a record out; `None` if it was not wanted.
    pub(super) fn take(&mut self, offset: u32) -> Option<Option<(u64, Stored)>> {
        let at = self.items.binary_search_by_key(&offset, |(offset, _)| *offset).ok()?;
        Some(self.items[at].1.take())
    }
}
