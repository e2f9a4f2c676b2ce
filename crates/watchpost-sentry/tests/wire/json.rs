//! The JSON writer against `serde_json`.

use proptest::prelude::*;
use watchpost_sentry::wire::{
    Value,
    json::{JsonWriter, MAX_DEPTH, TOO_DEEP},
};

use crate::arbitrary;

fn write(write: impl FnOnce(&mut JsonWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut JsonWriter::new(&mut out));
    out
}

fn write_value(value: &Value<'_>) -> Vec<u8> {
    write(|json| json.value(value))
}

#[test]
fn every_character_that_needs_an_escape_is_escaped_wherever_it_stands() {
    for character in ('\0'..='\u{80}').chain(['\u{2028}', '\u{2029}', '\u{d7ff}', '\u{e000}', '\u{10ffff}']) {
        for before in 0..90 {
            for after in [0, 1, 3, 7, 8, 15, 16, 17, 33, 80] {
                let text =
                    format!("{}{character}{}", "é".repeat(before / 2) + &"x".repeat(before % 2), "y".repeat(after));
                let written = write(|json| json.string(&text));
                assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), text);
                assert!(written.iter().all(|&byte| byte >= 0x20), "{text:?}");
            }
        }
    }
}

#[test]
fn commas_stand_between_and_never_before_or_after() {
    let written = write(|json| {
        json.begin_array();
        json.begin_object();
        json.end_object();
        json.null();
        json.begin_object();
        json.key("a\"b");
        json.begin_array();
        json.end_array();
        json.key("c");
        json.boolean(true);
        json.end_object();
        json.unsigned(u64::MAX);
        json.begin_object();
        json.key_of(&["d", "", "\n", "e"]);
        json.null();
        json.end_object();
        json.integer(i64::MIN);
        json.double(-0.5);
        json.end_array();
    });
    let expected = r#"[{},null,{"a\"b":[],"c":true},18446744073709551615,{"d\ne":null},-9223372036854775808,-0.5]"#;
    assert_eq!(String::from_utf8(written).unwrap(), expected);
}

#[test]
fn numbers_json_cannot_carry_become_null() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(write(|json| json.double(number)), b"null");
    }
}

/// `[[[…]]]`, so many levels.
fn nested(levels: usize) -> Value<'static> {
    (0..levels).fold(Value::Null, |inner, level| match level % 3 {
        0 => Value::Array(vec![inner]),
        1 => Value::Object(vec![("k".into(), inner)]),
        _ => vec![inner].into(),
    })
}

#[test]
fn nesting_beyond_the_limit_becomes_a_marker() {
    let kept = write_value(&nested(MAX_DEPTH));
    assert!(!String::from_utf8(kept).unwrap().contains(TOO_DEEP));

    let cut = write_value(&nested(MAX_DEPTH + 1));
    let mut value: serde_json::Value = serde_json::from_slice(&cut).unwrap();
    let mut levels = 0;
    while let Some(inner) = value.pointer("/0").or_else(|| value.pointer("/k")).cloned() {
        (value, levels) = (inner, levels + 1);
    }
    assert_eq!((levels, value), (MAX_DEPTH, TOO_DEEP.into()));
}

#[test]
fn a_value_of_serde_json_counts_the_levels_around_it() {
    let inside = (0..100).fold(serde_json::Value::Null, |inner, _| vec![inner].into());
    let around = Value::Array(vec![Value::from(&inside)]);
    let written = String::from_utf8(write_value(&around)).unwrap();
    assert_eq!(written, format!("{}\"{TOO_DEEP}\"{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH)));
}

#[test]
fn a_member_set_twice_is_written_once_with_its_last_value() {
    let members = [("a", 1), ("b", 2), ("a", 3)].map(|(key, number)| (key.into(), number.into()));
    assert_eq!(write_value(&Value::Object(members.into())), br#"{"b":2,"a":3}"#);
}

/// Any `serde_json` value.
fn serde_value() -> impl Strategy<Value = serde_json::Value> {
    arbitrary::value().prop_map(|value| serde_json::from_slice(&write_value(&value)).unwrap())
}

proptest! {
    #[test]
    fn any_string_reads_back_the_same(text in arbitrary::string(0..60)) {
        let written = write(|json| json.string(&text));
        prop_assert_eq!(serde_json::from_slice::<String>(&written).unwrap(), text);
    }

    #[test]
    fn any_string_is_written_as_serde_json_writes_it(text in arbitrary::string(0..60)) {
        let written = write(|json| json.string(&text));
        prop_assert_eq!(String::from_utf8(written).unwrap(), serde_json::to_string(&text).unwrap());
    }

    #[test]
    fn escapes_any_distance_apart_are_written_as_serde_json_writes_them(
        runs in prop::collection::vec((0_usize..100, "[\"\\\\\n\u{1}é]{0,3}"), 0..20),
    ) {
        let text: String = runs.iter().map(|(length, escapes)| "x".repeat(*length) + escapes).collect();
        let written = write(|json| json.string(&text));
        prop_assert_eq!(String::from_utf8(written).unwrap(), serde_json::to_string(&text).unwrap());
    }

    #[test]
    fn any_finite_double_reads_back_the_same(number in arbitrary::double()) {
        let written = write(|json| json.double(number));
        let read = serde_json::from_slice::<f64>(&written).unwrap();
        prop_assert_eq!(read.to_bits(), number.to_bits());
    }

    #[test]
    fn any_value_reads_back_the_same(value in arbitrary::value()) {
        let read: Value<'_> = serde_json::from_slice(&write_value(&value)).unwrap();
        prop_assert_eq!(read, value);
    }

    #[test]
    fn a_value_of_serde_json_is_written_as_serde_json_writes_it(value in serde_value()) {
        let written = write_value(&Value::from(&value));
        prop_assert_eq!(String::from_utf8(written).unwrap(), value.to_string());
    }

    #[test]
    fn an_unsigned_number_beyond_i64_is_kept(number in any::<u64>()) {
        prop_assert_eq!(write_value(&number.into()), number.to_string().into_bytes());
    }
}
