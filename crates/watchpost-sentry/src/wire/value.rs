//! A borrowed JSON value, for the places where Sentry takes any JSON (`extra`, `contexts`, span `data`).

use std::borrow::Cow;

/// Any JSON value, borrowing its strings. Objects keep the order in which they were built.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number; not finite is written as `null`.
    Double(f64),
    /// A string.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object, in order.
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
    /// A value held by `serde_json`, written as it is.
    Json(Cow<'a, serde_json::Value>),
}
