//! Stacks as the three runtimes really write them, and texts that are none.

use proptest::prelude::*;

use super::*;

/// Function, file, line, whether it is the host's own.
type Read = (Option<String>, Option<String>, Option<u32>, Option<bool>);
type Expected<'a> = (Option<&'a str>, Option<&'a str>, Option<u32>, bool);

fn read(stack: &str) -> Vec<Read> {
    let error = ErrorInfo { stack: Some(stack.to_owned()), ..ErrorInfo::default() };
    let owned = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
    frames(&error, 50)
        .iter()
        .map(|frame| (owned(&frame.function), owned(&frame.filename), frame.lineno, frame.in_app))
        .collect()
}

fn expected(frames: &[Expected<'_>]) -> Vec<Read> {
    frames
        .iter()
        .map(|(function, file, line, in_app)| {
            (function.map(str::to_owned), file.map(str::to_owned), *line, Some(*in_app))
        })
        .collect()
}

#[test]
fn a_javascript_stack_is_read_oldest_call_first() {
    let stack = "QuotaError: boom E42\n\
        \x20   at Object.explode (file:///srv/golden/serverdef.mjs:18:11)\n\
        \x20   at file:///srv/golden/serverdef.mjs:120:28\n\
        \x20   at new Tool (C:\\app\\node_modules\\sdk\\index.js:3:4)\n\
        \x20   at Array.map (<anonymous>)\n\
        \x20   at eval (eval at run (/srv/a.js:1:1), <anonymous>:2:7)\n\
        \x20   at process.processTicksAndRejections (node:internal/process/task_queues:95:5)\n\
        \x20   at async wrapped (file:///srv/node_modules/@mcp/sdk/server/index.js:114:32)";
    assert_eq!(
        read(stack),
        expected(&[
            (Some("wrapped"), Some("node_modules/@mcp/sdk/server/index.js"), Some(114), false),
            (Some("process.processTicksAndRejections"), Some("node:internal/process/task_queues"), Some(95), false),
            (Some("eval"), Some("<anonymous>"), Some(2), true),
            (Some("Array.map"), None, None, false),
            (Some("new Tool"), Some("node_modules\\sdk\\index.js"), Some(3), false),
            (None, Some("/srv/golden/serverdef.mjs"), Some(120), true),
            (Some("Object.explode"), Some("/srv/golden/serverdef.mjs"), Some(18), true),
        ])
    );
}

#[test]
fn of_chained_python_tracebacks_the_last_is_read() {
    let stack = "Traceback (most recent call last):\n  File \"/srv/a.py\", line 1, in inner\n    x\nTypeError: inner\n\n\
        The above exception was the direct cause of the following exception:\n\n\
        Traceback (most recent call last):\n\
        \x20 File \"/venv/lib/python3.11/site-packages/mcp/server.py\", line 442, in call\n\
        \x20   return await fn()\n\
        \x20          ^^^^^^^^^^\n\
        \x20 File \"/srv/server.py\", line 86, in explode\n\
        \x20   raise QuotaError(\"boom\") from c\n\
        server.QuotaError: boom\n";
    assert_eq!(
        read(stack),
        expected(&[
            (Some("call"), Some("site-packages/mcp/server.py"), Some(442), false),
            (Some("explode"), Some("/srv/server.py"), Some(86), true),
        ])
    );
    let error = ErrorInfo { stack: Some(stack.to_owned()), ..ErrorInfo::default() };
    assert_eq!(frames(&error, 50)[0].context_line.as_deref(), Some("return await fn()"));
}

#[test]
fn a_rust_backtrace_is_read_without_its_hashes() {
    let stack = "disk full\n\nStack backtrace:\n\
        \x20  0: anyhow::error::<impl anyhow::Error>::msg\n\
        \x20            at /home/ada/.cargo/registry/src/index-1/anyhow-1.0.0/src/error.rs:27:9\n\
        \x20  1: server::tools::write::h0123456789abcdef\n\
        \x20            at ./src/tools.rs:12:5\n\
        \x20  2: core::ops::function::FnOnce::call_once\n\
        \x20            at /rustc/abc/library/core/src/ops/function.rs:250:5\n\
        \x20  3: main\n";
    assert_eq!(
        read(stack),
        expected(&[
            (Some("main"), None, None, false),
            (
                Some("core::ops::function::FnOnce::call_once"),
                Some("/rustc/abc/library/core/src/ops/function.rs"),
                Some(250),
                false
            ),
            (Some("server::tools::write"), Some("./src/tools.rs"), Some(12), true),
            (
                Some("anyhow::error::<impl anyhow::Error>::msg"),
                Some("/.cargo/registry/src/index-1/anyhow-1.0.0/src/error.rs"),
                Some(27),
                false
            ),
        ])
    );
}

#[test]
fn texts_that_are_no_stacks_give_no_frames() {
    for text in ["", "boom", "1: first\n2: second", "at the end: 5 of 6\nlook at it", "File \"x\", line 3"] {
        assert_eq!(read(text).into_iter().filter(|frame| frame.1.is_some()).count(), 0, "{text}");
    }
}

#[test]
fn frames_of_the_source_win_over_the_text_and_lose_their_file_scheme() {
    let error = ErrorInfo {
        stack: Some("    at a (b.js:1:2)".to_owned()),
        frames: vec![StackFrame { abs_path: Some("file:///C:/app/x.mjs".to_owned()), ..StackFrame::default() }],
        ..ErrorInfo::default()
    };
    let frames = frames(&error, 50);
    assert_eq!((frames.len(), frames[0].abs_path.as_deref()), (1, Some("C:/app/x.mjs")));
}

#[test]
fn of_too_many_frames_the_middle_is_cut_out() {
    let frame = |line| StackFrame { function: Some(format!("f{line}")), ..StackFrame::default() };
    let error = ErrorInfo { frames: (0..120).map(frame).collect(), ..ErrorInfo::default() };
    let frames = frames(&error, 50);
    assert_eq!(frames.len(), 50);
    assert_eq!((frames[0].function.as_deref(), frames[49].function.as_deref()), (Some("f0"), Some("f119")));
}

proptest! {
    #[test]
    fn no_stack_panics(
        stack in "((    at |  File \"|Traceback \\(most recent call last\\):|  1: |, line |:|\\(|\\)|\n| )|[a-z0-9ž./]{1,6}){0,60}"
    ) {
        let _ = read(&stack);
    }
}
