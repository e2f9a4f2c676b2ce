//! The words of items, kept so that search need not read the items. The writer adds them when it has nothing else to do or a
//! search waits, so that taking things in stays fast; what is searched is bounded for each item, whatever its size.

use rusqlite::{Connection, TransactionBehavior, params};
use serde_json::Value;

/// Characters of an item that can be found.
const MAX_CHARS: usize = 4096;

/// Values looked at of an item.
const MAX_VALUES: usize = 400;

/// Items indexed at once, between which arrivals are looked after: each time costs a piece of index that is merged later.
const CHUNK: i64 = 2048;

/// Items that may be behind before indexing takes turns with arrivals. A search waits until they are indexed.
pub(super) const MAX_BEHIND: i64 = 500_000;

/// How far the index is, and how far the items are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Indexed {
    pub(super) until: i64,
    pub(super) last: i64,
}

/// How far the index is.
pub(super) fn state(connection: &Connection) -> rusqlite::Result<Indexed> {
    connection
        .prepare_cached("SELECT indexed, (SELECT coalesce(max(id), 0) FROM items) FROM search_state")?
        .query_row([], |row| Ok(Indexed { until: row.get(0)?, last: row.get(1)? }))
}

/// Indexes the next items; says how far it is then.
pub(super) fn index_some(connection: &mut Connection) -> rusqlite::Result<Indexed> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut at = state(&transaction)?;
    if at.until < at.last {
        let mut read =
            transaction.prepare_cached("SELECT id, payload FROM items WHERE id > ?1 ORDER BY id LIMIT ?2")?;
        let mut write = transaction.prepare_cached("INSERT INTO search (rowid, text) VALUES (?1, ?2)")?;
        let mut rows = read.query(params![at.until, CHUNK])?;
        let mut last = at.last;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            write.execute(params![id, words(row.get_ref(1)?.as_blob()?)])?;
            (last, seen) = (id, seen + 1);
        }
        at.until = if seen < CHUNK { at.last } else { last };
        transaction.prepare_cached("UPDATE search_state SET indexed = ?1")?.execute([at.until])?;
    }
    transaction.commit()?;
    Ok(at)
}

/// What can be found of a payload: the values of its JSON without their names, or its text.
fn words(payload: &[u8]) -> String {
    let mut out = String::new();
    match serde_json::from_slice::<Value>(payload) {
        Ok(value) => {
            let mut left = MAX_VALUES;
            collect(&value, &mut out, &mut left);
        }
        // What is not JSON, or not quite: only if it is text.
        Err(_) => {
            if let Ok(text) = std::str::from_utf8(payload) {
                push(&mut out, text);
            }
        }
    }
    out
}

fn collect(value: &Value, out: &mut String, left: &mut usize) {
    if *left == 0 || out.len() >= MAX_CHARS {
        return;
    }
    match value {
        Value::String(text) => {
            *left -= 1;
            push(out, text);
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, out, left)),
        Value::Object(map) => {
            for (name, value) in map {
                // Types of attributes and what is the same in every item would only fill the index.
                if !matches!(name.as_str(), "type" | "sdk" | "platform" | "modules" | "_meta") {
                    collect(value, out, left);
                }
            }
        }
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

fn push(out: &mut String, text: &str) {
    let room = MAX_CHARS.saturating_sub(out.len());
    let end = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    out.push_str(text.get(..end).unwrap_or_default());
    out.push(' ');
}

/// What a reader typed as a query for the index: each word must be there, the last as a beginning. `None` without a word.
pub(super) fn query(text: &str) -> Option<String> {
    let words: Vec<&str> =
        text.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty()).take(16).collect();
    if words.is_empty() {
        return None;
    }
    let mut out: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    if text.ends_with(char::is_alphanumeric)
        && let Some(last) = out.last_mut()
    {
        last.push('*');
    }
    Some(out.join(" "))
}

#[cfg(test)]
mod tests {
    use super::{MAX_CHARS, query, words};

    #[test]
    fn values_can_be_found_and_names_cannot() {
        let text = words(br#"{"body":"hello","attributes":{"city":{"value":"Oslo","type":"string"}},"n":5}"#);
        assert_eq!(text, "Oslo hello ");
    }

    #[test]
    fn large_and_strange_payloads_are_bounded() {
        assert!(words(format!("\"{}\"", "ž".repeat(100_000)).as_bytes()).len() <= MAX_CHARS + 1);
        assert_eq!(words(&[0xff, 0xfe]), "");
        assert!(words(&b"[".repeat(100_000)).len() <= MAX_CHARS + 1);
    }

    #[test]
    fn anything_typed_is_a_harmless_query() {
        assert_eq!(query("tool timeout"), Some(r#""tool" "timeout"*"#.to_owned()));
        assert_eq!(query("a\" OR NEAR(b) "), Some(r#""a" "OR" "NEAR" "b""#.to_owned()));
        assert_eq!(query(" *-\" "), None);
    }
}
