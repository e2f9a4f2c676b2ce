//! Pages of a list: how many rows, and where to go on.
//! A cursor names a row by its time and number, so a page stays right while items arrive and are pruned.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// Rows of a page unless asked otherwise.
const DEFAULT_LIMIT: u32 = 100;

/// Rows of a page at most.
const MAX_LIMIT: u32 = 1000;

/// A place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) nanos: i64,
    pub(super) id: i64,
}

/// Which part of a list to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page {
    /// Rows at most: 1 to 1000, default 100.
    pub limit: u32,
    /// Where the page before ended; `None` starts at the list's beginning.
    pub after: Option<Cursor>,
}

impl Default for Page {
    fn default() -> Self {
        Self { limit: DEFAULT_LIMIT, after: None }
    }
}

impl Page {
    /// Asks for `limit` rows, brought into 1 to 1000.
    #[must_use]
    pub fn with_limit(mut self, limit: u32) -> Self {
        self.limit = limit.clamp(1, MAX_LIMIT);
        self
    }

    /// Goes on after `cursor`.
    #[must_use]
    pub fn with_after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Cuts `rows`, of which one more than the limit was asked for, and gives the cursor of the next page if there is one.
    pub(super) fn cut<T>(self, rows: &mut Vec<T>, cursor: impl Fn(&T) -> Cursor) -> Option<Cursor> {
        let limit = self.limit as usize;
        if rows.len() <= limit {
            return None;
        }
        rows.truncate(limit);
        rows.last().map(cursor)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.nanos, self.id)
    }
}

/// A cursor that was not made by this receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor; use the `next` of the page before")]
pub struct CursorError;

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (nanos, id) = text.split_once('_').ok_or(CursorError)?;
        Ok(Self { nanos: nanos.parse().map_err(|_| CursorError)?, id: id.parse().map_err(|_| CursorError)? })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Page};

    #[test]
    fn a_cursor_survives_being_written_and_read() {
        let cursor = Cursor { nanos: -5, id: 12 };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert!("x".parse::<Cursor>().is_err());
        assert!("1_".parse::<Cursor>().is_err());
    }

    #[test]
    fn a_page_that_is_not_full_has_no_next() {
        let mut rows = vec![1, 2];
        let cursor = |row: &i64| Cursor { nanos: 0, id: *row };
        assert_eq!(Page::default().with_limit(2).cut(&mut rows, cursor), None);
        rows.push(3);
        assert_eq!(Page::default().with_limit(2).cut(&mut rows, cursor), Some(Cursor { nanos: 0, id: 2 }));
        assert_eq!(rows, [1, 2]);
    }

    #[test]
    fn limits_are_brought_into_bounds() {
        assert_eq!(Page::default().with_limit(0).limit, 1);
        assert_eq!(Page::default().with_limit(u32::MAX).limit, 1000);
    }
}
