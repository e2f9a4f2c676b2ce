//! How a span failed, from Rust: an error with its causes, or a panic.

use std::{any::Any, backtrace::Backtrace, cell::RefCell, error::Error, fmt::Debug, io, thread};

use crate::model::{ErrorInfo, ErrorKind};

/// Most causes kept, one within the other: a chain may be a ring.
const MAX_CAUSES: usize = 10;

/// The error with the chain of its causes.
pub(super) fn of_error<E: Error + ?Sized>(error: &E) -> ErrorInfo {
    let name = short_name(std::any::type_name_of_val(error));
    let ty = name.map(str::to_owned).or_else(|| name_of_debug(error));
    let mut info = failure(ty, error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause.filter(|_| info.causes.len() < MAX_CAUSES) {
        let ty = if error.is::<io::Error>() { Some("io::Error".to_owned()) } else { name_of_debug(error) };
        info.causes.push(failure(ty, error.to_string()));
        cause = error.source();
    }
    info
}

/// The error with the chain of its causes and its stack, for captures other than spans.
#[cfg(feature = "rmcp")]
pub(crate) fn failure_of<E: Error + ?Sized>(error: &E, backtrace: Option<&Backtrace>) -> ErrorInfo {
    ErrorInfo { stack: backtrace.and_then(stack), ..of_error(error) }
}

/// What spans of this thread have seen of a panic that unwinds it, so that those further out tell of the same one.
#[derive(Default)]
struct Unwinding {
    message: Option<String>,
    /// A span ended before anyone knew the message.
    seen_without: bool,
}

thread_local! {
    static UNWINDING: RefCell<Unwinding> = RefCell::default();
}

/// What a span is told that sees only the unwinding.
const UNWINDING_MESSAGE: &str = "the thread panicked while the span was open";

/// Forgets the last panic, when there is none now.
pub(super) fn forget_panic() {
    if !thread::panicking() {
        let _ = UNWINDING.try_with(RefCell::take);
    }
}

/// A panic, by what it was raised with.
pub(super) fn of_panic(payload: &(dyn Any + Send)) -> ErrorInfo {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let message = text.unwrap_or("the panic was not raised with a text").to_owned();
    let mut info = failure(Some("panic".to_owned()), message);
    let seen_without = UNWINDING.try_with(|unwinding| {
        let mut unwinding = unwinding.borrow_mut();
        unwinding.message = Some(info.message.clone());
        unwinding.seen_without
    });
    if seen_without.unwrap_or(false) {
        info.causes.push(failure(info.ty.clone(), UNWINDING_MESSAGE.to_owned()));
    }
    info
}

/// A panic of which only the unwinding is seen, unless a span further in knows its message.
pub(super) fn of_unwinding() -> ErrorInfo {
    let known = UNWINDING.try_with(|unwinding| {
        let mut unwinding = unwinding.borrow_mut();
        unwinding.seen_without |= unwinding.message.is_none();
        unwinding.message.clone()
    });
    failure(Some("panic".to_owned()), known.ok().flatten().unwrap_or_else(|| UNWINDING_MESSAGE.to_owned()))
}

/// A failure without an error's type.
pub(super) fn of_message(message: String) -> ErrorInfo {
    failure(None, message)
}

/// The backtrace as text; `None` when it was not captured.
pub(super) fn stack(backtrace: &Backtrace) -> Option<String> {
    let is_captured = backtrace.status() == std::backtrace::BacktraceStatus::Captured;
    is_captured.then(|| backtrace.to_string())
}

fn failure(ty: Option<String>, message: String) -> ErrorInfo {
    ErrorInfo { kind: ErrorKind::Span, message, ty, platform: Some("rust".to_owned()), ..ErrorInfo::default() }
}

/// The last segment of a type's path, without generics: `app::weather::Error<T>` is `weather::Error`, since `Error` alone says
/// nothing. `None` for `dyn Error`, whose own type is not known, and for what only points to an error.
fn short_name(path: &str) -> Option<&str> {
    // Its module has the name of every other.
    if path == "std::io::error::Error" {
        return Some("io::Error");
    }
    let path = path.trim_start_matches('&');
    let path = &path[..path.find('<').unwrap_or(path.len())];
    let is_a_pointer = ["alloc::boxed::Box", "alloc::sync::Arc", "alloc::rc::Rc"].contains(&path);
    if path.starts_with("dyn ") || path.is_empty() || is_a_pointer {
        return None;
    }
    let last = path.rfind("::").map_or(0, |at| at + 2);
    let start = match &path[last..] {
        "Error" if last > 2 => path[..last - 2].rfind("::").map_or(0, |at| at + 2),
        _ => last,
    };
    Some(&path[start..])
}

/// The name that a derived `Debug` begins with: `ParseIntError { kind: InvalidDigit }`. It is all there is of an error behind
/// `dyn`.
fn name_of_debug(error: &(impl Debug + ?Sized)) -> Option<String> {
    /// Takes characters as long as they belong to a name, and stops the formatting there: a `Debug` may be long.
    struct Name(String);

    impl std::fmt::Write for Name {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            for letter in text.chars() {
                let belongs = letter == '_' || letter.is_alphanumeric();
                if !belongs || self.0.len() > 100 {
                    return Err(std::fmt::Error);
                }
                self.0.push(letter);
            }
            Ok(())
        }
    }

    let mut name = Name(String::new());
    // An error here says that the name is over.
    let _ = std::fmt::write(&mut name, format_args!("{error:?}"));
    let begins_a_type = name.0.starts_with(char::is_uppercase);
    begins_a_type.then_some(name.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no weather")]
    struct NoWeather {
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    }

    fn io_error() -> io::Error {
        io::Error::new(io::ErrorKind::NotFound, "x".parse::<u8>().unwrap_err())
    }

    #[test]
    fn an_error_has_its_type_its_message_and_its_causes() {
        let error = NoWeather { cause: Box::new(io_error()) };
        let info = of_error(&error);
        assert_eq!((info.kind, info.ty.as_deref()), (ErrorKind::Span, Some("NoWeather")));
        assert_eq!((info.message.as_str(), info.platform.as_deref()), ("no weather", Some("rust")));
        let causes: Vec<_> = info.causes.iter().map(|cause| (cause.ty.as_deref(), cause.message.as_str())).collect();
        let digit = "invalid digit found in string";
        assert_eq!(causes[0], (Some("io::Error"), digit));
        assert_eq!(of_error(&Box::new(error)).ty, info.ty, "also behind a pointer");
    }

    #[test]
    fn an_error_behind_dyn_has_the_name_that_its_debug_begins_with() {
        let error: Box<dyn Error> = Box::new(NoWeather { cause: "plain".into() });
        let info = of_error(&*error);
        assert_eq!(info.ty.as_deref(), Some("NoWeather"));
        assert_eq!((info.causes[0].ty.as_deref(), info.causes[0].message.as_str()), (None, "plain"));
    }

    #[test]
    fn types_by_the_end_of_their_path() {
        for (path, name) in [
            ("app::weather::WeatherError", Some("WeatherError")),
            ("app::weather::Error", Some("weather::Error")),
            ("std::io::error::Error", Some("io::Error")),
            ("app::Wrapped<alloc::boxed::Box<dyn core::error::Error>>", Some("Wrapped")),
            ("Plain", Some("Plain")),
            ("dyn core::error::Error", None),
            ("&app::Plain", Some("Plain")),
            ("alloc::boxed::Box<app::Plain>", None),
        ] {
            assert_eq!(short_name(path), name, "{path}");
        }
    }

    #[test]
    fn a_ring_of_causes_ends() {
        #[derive(Debug)]
        struct Ring;
        impl std::fmt::Display for Ring {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("round")
            }
        }
        impl Error for Ring {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&Self)
            }
        }
        assert_eq!(of_error(&Ring).causes.len(), MAX_CAUSES);
    }

    #[test]
    fn a_panic_has_its_text() {
        assert_eq!(of_panic(&"boom").message, "boom");
        assert_eq!(of_panic(&"boom".to_owned()).message, "boom");
        assert_eq!(of_panic(&7).message, "the panic was not raised with a text");
    }
}
