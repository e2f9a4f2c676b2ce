//! Event levels and span statuses: the only names Relay accepts.
//! Source: Sentry's event protocol (`level`), `relay-base-schema` (`SpanStatus`).

use super::name::names;

/// An event's level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Level {
    /// `debug`.
    Debug,
    /// `info`.
    Info,
    /// `warning`.
    Warning,
    /// `error`.
    Error,
    /// `fatal`.
    Fatal,
}

/// A span's status: the 17 gRPC names. Relay discards any other (`error` is not one).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpanStatus {
    /// `ok`.
    Ok,
    /// `cancelled`.
    Cancelled,
    /// `unknown`.
    Unknown,
    /// `invalid_argument`.
    InvalidArgument,
    /// `deadline_exceeded`.
    DeadlineExceeded,
    /// `not_found`.
    NotFound,
    /// `already_exists`.
    AlreadyExists,
    /// `permission_denied`.
    PermissionDenied,
    /// `resource_exhausted`.
    ResourceExhausted,
    /// `failed_precondition`.
    FailedPrecondition,
    /// `aborted`.
    Aborted,
    /// `out_of_range`.
    OutOfRange,
    /// `unimplemented`.
    Unimplemented,
    /// `internal_error`.
    InternalError,
    /// `unavailable`.
    Unavailable,
    /// `data_loss`.
    DataLoss,
    /// `unauthenticated`.
    Unauthenticated,
}

names!(Level, "level", {
    Debug = "debug",
    Info = "info",
    Warning = "warning",
    Error = "error",
    Fatal = "fatal",
});

names!(SpanStatus, "span status", {
    Ok = "ok",
    Cancelled = "cancelled",
    Unknown = "unknown",
    InvalidArgument = "invalid_argument",
    DeadlineExceeded = "deadline_exceeded",
    NotFound = "not_found",
    AlreadyExists = "already_exists",
    PermissionDenied = "permission_denied",
    ResourceExhausted = "resource_exhausted",
    FailedPrecondition = "failed_precondition",
    Aborted = "aborted",
    OutOfRange = "out_of_range",
    Unimplemented = "unimplemented",
    InternalError = "internal_error",
    Unavailable = "unavailable",
    DataLoss = "data_loss",
    Unauthenticated = "unauthenticated",
});
