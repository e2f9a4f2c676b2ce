//! Points in time: nanoseconds since the Unix epoch, seconds with six decimals on the wire.

/// Nanoseconds since the Unix epoch (UTC). Written as a JSON number of seconds with microsecond precision, exactly:
/// no `f64` is involved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp {
    nanos: i64,
}
