//! Reading envelopes: streaming, bounded, safe with hostile input.
//! Source: Sentry's `envelopes.mdx`; lenient where Relay's `Envelope::parse_bytes` is.

use std::{
    borrow::Cow,
    io::{self, BufRead, Read},
};

use serde_json::{Map, Value};

use super::{EventId, SdkInfo, Timestamp};

/// How much of an envelope is read before giving up. The defaults are Relay's, where Relay has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadLimits {
    /// Bytes of a header line, the envelope's or an item's. 64 KiB by default.
    pub header_line: usize,
    /// Bytes of an item's payload. 200 MiB by default.
    pub item: u64,
    /// Bytes of the envelope, after decompression. 200 MiB by default.
    pub envelope: u64,
    /// Items. 1000 by default.
    pub items: usize,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { header_line: 64 << 10, item: 200 << 20, envelope: 200 << 20, items: 1000 }
    }
}

/// Reads an envelope item by item, holding one item in memory.
///
/// Lenient: lines may end in CRLF, blank lines between items and at the end are skipped, an item without `length` ends
/// at the next newline, and a known header field of the wrong form is left in [`RawHeader::other`].
///
/// ```
/// use watchpost_sentry::wire::{EnvelopeReader, ReadLimits};
///
/// let bytes: &[u8] = b"{\"sent_at\":\"2026-11-20T10:00:00Z\"}\n{\"type\":\"event\",\"length\":2}\n{}\n";
/// let mut reader = EnvelopeReader::new(bytes, ReadLimits::default())?;
/// while let Some(item) = reader.next_item()? {
///     println!("{}: {} bytes", item.ty, item.payload.len());
/// }
/// # Ok::<(), watchpost_sentry::wire::ReadError>(())
/// ```
#[derive(Debug)]
pub struct EnvelopeReader<R> {
    reader: R,
    limits: ReadLimits,
    header: RawHeader,
    bytes_read: u64,
    items_read: usize,
    ended: bool,
}

/// An envelope's header as read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawHeader {
    /// `event_id`.
    pub event_id: Option<EventId>,
    /// `sent_at`.
    pub sent_at: Option<Timestamp>,
    /// `dsn`, as text: it may be anyone's.
    pub dsn: Option<String>,
    /// `trace`, the sampling context.
    pub trace: Option<Value>,
    /// `sdk`.
    pub sdk: Option<SdkInfo>,
    /// All other fields.
    pub other: Map<String, Value>,
}

/// An item as read.
#[derive(Clone, Debug, PartialEq)]
pub struct RawItem {
    /// `type`, of any kind of item.
    pub ty: String,
    /// `item_count` of a container.
    pub item_count: Option<u64>,
    /// `content_type`.
    pub content_type: Option<String>,
    /// The whole header, `filename` and `attachment_type` among it.
    pub header: Map<String, Value>,
    /// The payload.
    pub payload: Vec<u8>,
}

/// Why an envelope cannot be read further. Items counted from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The source failed.
    #[error("reading the envelope failed")]
    Io(#[from] io::Error),
    /// Nothing at all.
    #[error("the envelope is empty")]
    Empty,
    /// The first line is no JSON object.
    #[error("the envelope's header is not a JSON object")]
    InvalidHeader(#[source] Option<serde_json::Error>),
    /// A header line has more than [`ReadLimits::header_line`] bytes.
    #[error("a header line is longer than {limit} bytes")]
    HeaderTooLong {
        /// The limit.
        limit: usize,
    },
    /// An item's header is no JSON object.
    #[error("the header of item {item} is not a JSON object")]
    InvalidItemHeader {
        /// Which item.
        item: usize,
        /// Why not, unless it is JSON of another kind.
        #[source]
        source: Option<serde_json::Error>,
    },
    /// An item's header has no `type`.
    #[error("the header of item {item} has no type")]
    MissingType {
        /// Which item.
        item: usize,
    },
    /// An item's `length` is not a whole number.
    #[error("the length of item {item} is not a whole number of bytes")]
    InvalidLength {
        /// Which item.
        item: usize,
    },
    /// An item has more than [`ReadLimits::item`] bytes.
    #[error("item {item} is larger than {limit} bytes")]
    ItemTooLarge {
        /// Which item.
        item: usize,
        /// The limit.
        limit: u64,
    },
    /// The envelope ends within an item's payload.
    #[error("the envelope ends within item {item}, after {found} of {expected} bytes")]
    Truncated {
        /// Which item.
        item: usize,
        /// Its `length`.
        expected: u64,
        /// What was there.
        found: u64,
    },
    /// An item's payload goes on after its `length`.
    #[error("item {item} goes on after its length")]
    MissingNewline {
        /// Which item.
        item: usize,
    },
    /// More than [`ReadLimits::items`] items.
    #[error("the envelope has more than {limit} items")]
    TooManyItems {
        /// The limit.
        limit: usize,
    },
    /// The envelope has more than [`ReadLimits::envelope`] bytes.
    #[error("the envelope is larger than {limit} bytes")]
    EnvelopeTooLarge {
        /// The limit.
        limit: u64,
    },
}

/// Memory set aside on the word of an item's `length`, in bytes.
const TRUSTED_LENGTH: u64 = 64 << 10;

/// A line of which at most so many bytes were wanted.
enum Line {
    Whole(Vec<u8>),
    TooLong,
}

impl<R: BufRead> EnvelopeReader<R> {
    /// Reads the envelope's header.
    ///
    /// # Errors
    /// If there is none, it is too long or no JSON object, or the source fails.
    pub fn new(reader: R, limits: ReadLimits) -> Result<Self, ReadError> {
        let header = RawHeader::default();
        let mut this = Self { reader, limits, header, bytes_read: 0, items_read: 0, ended: false };
        let line = this.read_header_line()?.ok_or(ReadError::Empty)?;
        let header = match serde_json::from_slice(&line) {
            Ok(Value::Object(header)) => header,
            Ok(_) => return Err(ReadError::InvalidHeader(None)),
            Err(error) => return Err(ReadError::InvalidHeader(Some(error))),
        };
        this.header = RawHeader::from_map(header);
        Ok(this)
    }

    /// The envelope's header.
    pub const fn header(&self) -> &RawHeader {
        &self.header
    }

    /// Reads the next item; `None` at the end. After an error there are no more items.
    ///
    /// # Errors
    /// If the item is malformed, cut off or beyond a limit, or the source fails. Items read before are not affected.
    pub fn next_item(&mut self) -> Result<Option<RawItem>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        let item = self.read_item();
        self.ended = !matches!(item, Ok(Some(_)));
        item
    }

    fn read_item(&mut self) -> Result<Option<RawItem>, ReadError> {
        let line = loop {
            match self.read_header_line()? {
                Some(line) if line.trim_ascii().is_empty() => {}
                Some(line) => break line,
                None => return Ok(None),
            }
        };
        if self.items_read == self.limits.items {
            return Err(ReadError::TooManyItems { limit: self.limits.items });
        }
        self.items_read += 1;
        let item = self.items_read;

        let header = match serde_json::from_slice(&line) {
            Ok(Value::Object(header)) => header,
            Ok(_) => return Err(ReadError::InvalidItemHeader { item, source: None }),
            Err(error) => return Err(ReadError::InvalidItemHeader { item, source: Some(error) }),
        };
        let text = |key| header.get(key).and_then(Value::as_str).map(str::to_owned);
        let ty = text("type").ok_or(ReadError::MissingType { item })?;
        let (item_count, content_type) = (header.get("item_count").and_then(Value::as_u64), text("content_type"));
        let payload = match header.get("length") {
            None | Some(Value::Null) => self.read_payload_line(item)?,
            Some(length) => self.read_payload(item, length.as_u64().ok_or(ReadError::InvalidLength { item })?)?,
        };
        Ok(Some(RawItem { ty, item_count, content_type, header, payload }))
    }

    /// A payload of `length` bytes. Memory follows the bytes that come, not the length that is claimed.
    fn read_payload(&mut self, item: usize, length: u64) -> Result<Vec<u8>, ReadError> {
        if length > self.limits.item {
            return Err(ReadError::ItemTooLarge { item, limit: self.limits.item });
        }
        if length > self.limits.envelope - self.bytes_read {
            return Err(ReadError::EnvelopeTooLarge { limit: self.limits.envelope });
        }
        let mut payload = Vec::with_capacity(length.min(TRUSTED_LENGTH) as usize);
        let found = self.reader.by_ref().take(length).read_to_end(&mut payload)? as u64;
        self.bytes_read += found;
        if found < length {
            return Err(ReadError::Truncated { item, expected: length, found });
        }
        // At most "\r\n" and the end may follow.
        match self.read_line(2)? {
            None => Ok(payload),
            Some(Line::Whole(rest)) if matches!(&*rest, b"" | b"\r") => Ok(payload),
            Some(_) => Err(ReadError::MissingNewline { item }),
        }
    }

    /// A payload that ends at the next newline.
    fn read_payload_line(&mut self, item: usize) -> Result<Vec<u8>, ReadError> {
        match self.read_line(usize::try_from(self.limits.item).unwrap_or(usize::MAX))? {
            None => Ok(Vec::new()),
            Some(Line::Whole(payload)) => Ok(payload),
            Some(Line::TooLong) => Err(ReadError::ItemTooLarge { item, limit: self.limits.item }),
        }
    }

    fn read_header_line(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        match self.read_line(self.limits.header_line)? {
            None => Ok(None),
            Some(Line::Whole(line)) => Ok(Some(line)),
            Some(Line::TooLong) => Err(ReadError::HeaderTooLong { limit: self.limits.header_line }),
        }
    }

    /// The next line without its newline, `None` at the end. Stops once it has more than `limit` bytes.
    fn read_line(&mut self, limit: usize) -> Result<Option<Line>, ReadError> {
        let mut line = Vec::new();
        loop {
            let available = match self.reader.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            if available.is_empty() {
                let at_end = line.is_empty();
                return Ok((!at_end).then_some(Line::Whole(line)));
            }
            let newline = memchr::memchr(b'\n', available);
            let taken = newline.unwrap_or(available.len());
            let consumed = newline.map_or(taken, |newline| newline + 1);
            if consumed as u64 > self.limits.envelope - self.bytes_read {
                return Err(ReadError::EnvelopeTooLarge { limit: self.limits.envelope });
            }
            if taken > limit - line.len() {
                return Ok(Some(Line::TooLong));
            }
            line.extend_from_slice(&available[..taken]);
            self.reader.consume(consumed);
            self.bytes_read += consumed as u64;
            if newline.is_some() {
                return Ok(Some(Line::Whole(line)));
            }
        }
    }
}

impl RawHeader {
    fn from_map(mut fields: Map<String, Value>) -> Self {
        Self {
            event_id: take(&mut fields, "event_id", |value| value.as_str()?.parse().ok()),
            sent_at: take(&mut fields, "sent_at", |value| Timestamp::parse(value.as_str()?)),
            dsn: take(&mut fields, "dsn", |value| value.as_str().map(str::to_owned)),
            trace: take(&mut fields, "trace", |value| value.is_object().then(|| value.clone())),
            sdk: take(&mut fields, "sdk", read_sdk),
            other: fields,
        }
    }
}

/// Takes a field out if `read` makes sense of it.
fn take<T>(fields: &mut Map<String, Value>, key: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
    let value = read(fields.get(key)?)?;
    fields.remove(key);
    Some(value)
}

fn read_sdk(value: &Value) -> Option<SdkInfo> {
    let text = |key: &str| value.get(key)?.as_str().map(|text| Cow::Owned(text.to_owned()));
    Some(SdkInfo { name: text("name")?, version: text("version").unwrap_or_default() })
}
