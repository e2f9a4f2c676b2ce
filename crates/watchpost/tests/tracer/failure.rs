//! How spans fail: by errors, and by panics.

use std::{
    backtrace::Backtrace,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
};

use watchpost::model::{ErrorKind, Span};

use super::{ended, tracer};

#[derive(Debug)]
struct ToolFailed(io::Error);

impl fmt::Display for ToolFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the tool failed")
    }
}

impl std::error::Error for ToolFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

fn tool_failed() -> ToolFailed {
    ToolFailed(io::Error::new(io::ErrorKind::ConnectionRefused, "refused"))
}

/// What failed, with what.
fn failures(spans: &[Span]) -> Vec<(&str, Option<&str>)> {
    spans.iter().map(|span| (span.name.as_str(), span.error.as_ref().map(|error| error.message.as_str()))).collect()
}

#[test]
fn an_error_with_its_type_and_causes() {
    let (tracer, events) = tracer();
    tracer.tool_call("a").error(&tool_failed());
    let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(tool_failed());
    tracer.tool_call("b").error(&*boxed);
    for span in ended(&events) {
        let error = span.error.unwrap();
        assert_eq!((error.kind, error.ty.as_deref()), (ErrorKind::Span, Some("ToolFailed")));
        assert_eq!((error.message.as_str(), error.platform.as_deref()), ("the tool failed", Some("rust")));
        assert_eq!((error.causes[0].ty.as_deref(), error.causes[0].message.as_str()), (Some("io::Error"), "refused"));
        assert_eq!(error.stack, None);
    }
}

#[test]
fn an_error_with_its_stack() {
    let (tracer, events) = tracer();
    tracer.tool_call("a").error_at(&tool_failed(), &Backtrace::force_capture());
    tracer.tool_call("b").error_at(&tool_failed(), &Backtrace::disabled());
    let spans = ended(&events);
    assert!(spans[0].error.as_ref().unwrap().stack.as_ref().unwrap().contains("an_error_with_its_stack"));
    assert_eq!(spans[1].error.as_ref().unwrap().stack, None, "none was captured");
}

#[test]
fn a_result_is_passed_on() {
    let (tracer, events) = tracer();
    let tool = tracer.tool_call("a");
    assert_eq!(tool.record(Ok::<_, ToolFailed>(7)).unwrap(), 7);
    assert!(tool.record(Err::<(), _>(tool_failed())).is_err());
    tool.end();
    assert_eq!(failures(&ended(&events)), [("tool: 'a'", Some("the tool failed"))]);
}

#[test]
fn a_panic_fails_every_span_it_ends_with_its_message_where_it_is_known() {
    let (tracer, events) = tracer();
    let outer = tracer.generic("outer");
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let outer = outer;
        let inner = outer.generic("inner");
        inner.in_scope(|| panic_any("boom 42".to_owned()));
    }));
    assert_eq!(caught.unwrap_err().downcast_ref::<String>().unwrap(), "boom 42", "it goes on as it was");
    assert_eq!(failures(&ended(&events)), [("inner", Some("boom 42")), ("outer", Some("boom 42"))]);
}

#[test]
fn a_panic_that_only_unwinds_is_told_as_such() {
    let (tracer, events) = tracer();
    let outer = tracer.generic("outer");
    let caught = catch_unwind(AssertUnwindSafe(|| {
        outer.in_scope(|| {
            let _inner = outer.generic("inner");
            panic!("boom");
        });
    }));
    assert!(caught.is_err());
    outer.end();
    let spans = ended(&events);
    let unwound = "the thread panicked while the span was open";
    assert_eq!(failures(&spans), [("inner", Some(unwound)), ("outer", Some("boom"))]);
    let outer = spans[1].error.as_ref().unwrap();
    assert_eq!((outer.ty.as_deref(), outer.causes[0].message.as_str()), (Some("panic"), unwound), "the same failure");
}

#[test]
fn a_panic_does_not_hide_the_error_before_it_and_is_not_told_twice() {
    let (tracer, events) = tracer();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let tool = tracer.tool_call("a");
        tool.error(&tool_failed());
        panic_any(7);
    }));
    assert!(caught.is_err());
    drop(tracer.generic("after"));
    let unknown = catch_unwind(AssertUnwindSafe(|| tracer.generic("number").in_scope(|| panic_any(7))));
    assert!(unknown.is_err());
    assert_eq!(
        failures(&ended(&events)),
        [
            ("tool: 'a'", Some("the tool failed")),
            ("after", None),
            ("number", Some("the panic was not raised with a text")),
        ]
    );
}

#[test]
fn a_span_of_a_destructor_is_not_failed_by_the_panic_around_it() {
    let (tracer, events) = tracer();
    struct CleanUp<'a>(&'a watchpost::ai::Tracer);
    impl Drop for CleanUp<'_> {
        fn drop(&mut self) {
            drop(self.0.generic("clean up"));
        }
    }
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _clean_up = CleanUp(&tracer);
        panic!("boom");
    }));
    assert!(caught.is_err());
    assert_eq!(failures(&ended(&events)), [("clean up", None)]);
}
