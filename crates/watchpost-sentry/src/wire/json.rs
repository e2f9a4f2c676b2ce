//! A JSON writer for the wire: appends to a byte buffer, never fails, never writes an invalid token.
//! Commas are its business; the nesting of `begin_*` and `end_*` is the caller's.

use std::io::Write;

use super::{Value, escape::write_escaped};

/// Nested deeper than this, an array or object is replaced by [`TOO_DEEP`]: hostile input must not overflow the stack,
/// and readers (`serde_json` among them) stop at 128.
pub const MAX_DEPTH: usize = 64;

/// What stands for an array or object nested deeper than [`MAX_DEPTH`].
pub const TOO_DEEP: &str = "[nested too deeply]";

/// Appends one value as valid JSON.
pub type WriteValue<'w> = &'w dyn Fn(&mut Vec<u8>);

/// Writes JSON into a buffer it borrows.
///
/// ```
/// use watchpost_sentry::wire::json::JsonWriter;
///
/// let mut out = Vec::new();
/// let mut json = JsonWriter::new(&mut out);
/// json.begin_object();
/// json.key("name");
/// json.string("search \"docs\"");
/// json.key("count");
/// json.integer(3);
/// json.end_object();
/// assert_eq!(out, br#"{"name":"search \"docs\"","count":3}"#);
/// ```
#[derive(Debug)]
pub struct JsonWriter<'b> {
    out: &'b mut Vec<u8>,
    comma: bool,
}

impl<'b> JsonWriter<'b> {
    /// A writer that appends to `out`.
    pub fn new(out: &'b mut Vec<u8>) -> Self {
        Self { out, comma: false }
    }

    /// Opens an object.
    pub fn begin_object(&mut self) {
        self.separate();
        self.out.push(b'{');
        self.comma = false;
    }

    /// Closes an object.
    pub fn end_object(&mut self) {
        self.out.push(b'}');
        self.comma = true;
    }

    /// Opens an array.
    pub fn begin_array(&mut self) {
        self.separate();
        self.out.push(b'[');
        self.comma = false;
    }

    /// Closes an array.
    pub fn end_array(&mut self) {
        self.out.push(b']');
        self.comma = true;
    }

    /// A member's key; its value is what is written next.
    pub fn key(&mut self, key: &str) {
        self.separate();
        self.out.push(b'"');
        write_escaped(self.out, key);
        self.out.extend_from_slice(b"\":");
        self.comma = false;
    }

    /// A member's key that is made of several texts.
    pub fn key_of(&mut self, texts: &[&str]) {
        self.separate();
        self.out.push(b'"');
        texts.iter().for_each(|text| write_escaped(self.out, text));
        self.out.extend_from_slice(b"\":");
        self.comma = false;
    }

    /// A string, escaped where JSON demands it.
    pub fn string(&mut self, text: &str) {
        self.raw_value(|out| write_string(out, text));
    }

    /// A whole number.
    pub fn integer(&mut self, number: i64) {
        self.raw_value(|out| write_integer(out, number));
    }

    /// A whole number that is not negative.
    pub fn unsigned(&mut self, number: u64) {
        self.raw_value(|out| out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()));
    }

    /// A number in its shortest form that reads back the same; not finite is written as `null`.
    pub fn double(&mut self, number: f64) {
        self.raw_value(|out| write_double(out, number));
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, yes: bool) {
        self.raw_value(|out| write_boolean(out, yes));
    }

    /// `null`.
    pub fn null(&mut self) {
        self.raw_value(|out| out.extend_from_slice(b"null"));
    }

    /// Any value, to [`MAX_DEPTH`] levels.
    pub fn value(&mut self, value: &Value<'_>) {
        self.raw_value(|out| value.write_json(out));
    }

    /// One value that `write` appends as valid JSON.
    pub(super) fn raw_value(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.separate();
        write(self.out);
        self.comma = true;
    }

    /// A member whose value is a string.
    pub(super) fn member(&mut self, key: &str, text: &str) {
        self.key(key);
        self.string(text);
    }

    /// A member whose value is a string; `None` leaves it out.
    pub(super) fn member_some(&mut self, key: &str, text: Option<impl AsRef<str>>) {
        if let Some(text) = text {
            self.member(key, text.as_ref());
        }
    }

    /// A member whose value is a string; an empty one leaves it out.
    pub(super) fn member_filled(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.member(key, text);
        }
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
    }
}

/// Appends a JSON string with its quotes.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_escaped(out, text);
    out.push(b'"');
}

pub(super) fn write_integer(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

pub(super) fn write_double(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(number).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

pub(super) fn write_boolean(out: &mut Vec<u8>, yes: bool) {
    out.extend_from_slice(if yes { b"true" } else { b"false" });
}

/// Appends a value of `serde_json`, at most `depth` levels of arrays and objects.
pub(super) fn write_serde(out: &mut Vec<u8>, value: &serde_json::Value, depth: usize) {
    match value {
        serde_json::Value::Null => out.extend_from_slice(b"null"),
        serde_json::Value::Bool(yes) => write_boolean(out, *yes),
        // Writing to a `Vec` cannot fail. `Display` keeps any number, whatever features `serde_json` is built with.
        serde_json::Value::Number(number) => drop(write!(out, "{number}")),
        serde_json::Value::String(text) => write_string(out, text),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) if depth == 0 => write_string(out, TOO_DEEP),
        serde_json::Value::Array(values) => {
            write_array(out, values.iter(), |out, value| write_serde(out, value, depth - 1));
        }
        serde_json::Value::Object(members) => {
            out.push(b'{');
            for (i, (key, value)) in members.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(out, key);
                out.push(b':');
                write_serde(out, value, depth - 1);
            }
            out.push(b'}');
        }
    }
}

/// Appends `[…]`, each element written by `write`.
pub(super) fn write_array<T>(
    out: &mut Vec<u8>,
    elements: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (i, element) in elements.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(out, element);
    }
    out.push(b']');
}
