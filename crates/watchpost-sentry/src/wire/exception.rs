//! Exceptions: what went wrong, in which frames, and how it was caught.
//! Source: Sentry's exception interface and stack trace interface.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use super::{Value, json::JsonWriter, lenient, owned, value::write_object};

/// One exception of an [`ErrorEvent`](super::ErrorEvent).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Exception<'a> {
    /// The type, for example `ToolCallError`.
    #[serde(rename = "type", default, deserialize_with = "lenient::text_or_empty")]
    pub ty: Cow<'a, str>,
    /// The message. Relay cuts it at 8192 characters.
    #[serde(default, deserialize_with = "lenient::text_or_empty")]
    pub value: Cow<'a, str>,
    /// The module.
    #[serde(default, deserialize_with = "lenient::text")]
    pub module: Option<Cow<'a, str>>,
    /// How it was caught.
    pub mechanism: Option<Mechanism<'a>>,
    /// Stack frames, oldest call first; empty leaves `stacktrace` out.
    #[serde(rename = "stacktrace", default, deserialize_with = "read_frames")]
    pub frames: Vec<Frame<'a>>,
}

/// How an exception was caught.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Mechanism<'a> {
    /// The type, unique per integration, for example `auto.ai.mcp_server`.
    #[serde(rename = "type", default, deserialize_with = "lenient::text_or_empty")]
    pub ty: Cow<'a, str>,
    /// Whether the program went on.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub handled: Option<bool>,
    /// Whether the exception was made up by the integration (its type is then ignored in grouping).
    #[serde(default, deserialize_with = "lenient::flag")]
    pub synthetic: Option<bool>,
    /// `exception_id`, for chains.
    #[serde(default, deserialize_with = "lenient::number")]
    pub exception_id: Option<u32>,
    /// `parent_id`, for chains.
    #[serde(default, deserialize_with = "lenient::number")]
    pub parent_id: Option<u32>,
    /// Not searchable details.
    #[serde(default, deserialize_with = "lenient::members")]
    pub data: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// One stack frame.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Frame<'a> {
    /// `filename`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub filename: Option<Cow<'a, str>>,
    /// `abs_path`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub abs_path: Option<Cow<'a, str>>,
    /// `function`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub function: Option<Cow<'a, str>>,
    /// `module`.
    #[serde(default, deserialize_with = "lenient::text")]
    pub module: Option<Cow<'a, str>>,
    /// `lineno`, from 1.
    #[serde(default, deserialize_with = "lenient::number")]
    pub lineno: Option<u32>,
    /// `colno`, from 1.
    #[serde(default, deserialize_with = "lenient::number")]
    pub colno: Option<u32>,
    /// `in_app`.
    #[serde(default, deserialize_with = "lenient::flag")]
    pub in_app: Option<bool>,
    /// `context_line`: the source line.
    #[serde(default, deserialize_with = "lenient::text")]
    pub context_line: Option<Cow<'a, str>>,
}

impl Exception<'_> {
    /// The same exception, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> Exception<'static> {
        Exception {
            ty: owned::text(self.ty),
            value: owned::text(self.value),
            module: owned::some(self.module),
            mechanism: self.mechanism.map(Mechanism::into_owned),
            frames: self.frames.into_iter().map(Frame::into_owned).collect(),
        }
    }

    pub(super) fn write(&self, json: &mut JsonWriter<'_>) {
        json.begin_object();
        json.member_filled("type", &self.ty);
        json.member_filled("value", &self.value);
        json.member_some("module", self.module.as_deref());
        if let Some(mechanism) = &self.mechanism {
            json.key("mechanism");
            mechanism.write(json);
        }
        if !self.frames.is_empty() {
            json.key("stacktrace");
            json.begin_object();
            json.key("frames");
            json.begin_array();
            for frame in &self.frames {
                frame.write(json);
            }
            json.end_array();
            json.end_object();
        }
        json.end_object();
    }
}

impl Mechanism<'_> {
    /// The same mechanism, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> Mechanism<'static> {
        Mechanism {
            ty: owned::text(self.ty),
            handled: self.handled,
            synthetic: self.synthetic,
            exception_id: self.exception_id,
            parent_id: self.parent_id,
            data: owned::members(self.data),
        }
    }

    fn write(&self, json: &mut JsonWriter<'_>) {
        json.begin_object();
        json.member("type", &self.ty);
        write_flag(json, "handled", self.handled);
        write_flag(json, "synthetic", self.synthetic);
        write_number(json, "exception_id", self.exception_id);
        write_number(json, "parent_id", self.parent_id);
        if !self.data.is_empty() {
            json.key("data");
            json.raw_value(|out| write_object(out, &self.data));
        }
        json.end_object();
    }
}

impl Frame<'_> {
    /// The same frame, owning its strings.
    #[must_use]
    pub fn into_owned(self) -> Frame<'static> {
        Frame {
            filename: owned::some(self.filename),
            abs_path: owned::some(self.abs_path),
            function: owned::some(self.function),
            module: owned::some(self.module),
            lineno: self.lineno,
            colno: self.colno,
            in_app: self.in_app,
            context_line: owned::some(self.context_line),
        }
    }

    fn write(&self, json: &mut JsonWriter<'_>) {
        json.begin_object();
        json.member_some("filename", self.filename.as_deref());
        json.member_some("abs_path", self.abs_path.as_deref());
        json.member_some("function", self.function.as_deref());
        json.member_some("module", self.module.as_deref());
        write_number(json, "lineno", self.lineno);
        write_number(json, "colno", self.colno);
        write_flag(json, "in_app", self.in_app);
        json.member_some("context_line", self.context_line.as_deref());
        json.end_object();
    }
}

fn write_flag(json: &mut JsonWriter<'_>, key: &str, flag: Option<bool>) {
    if let Some(flag) = flag {
        json.key(key);
        json.boolean(flag);
    }
}

fn write_number(json: &mut JsonWriter<'_>, key: &str, number: Option<u32>) {
    if let Some(number) = number {
        json.key(key);
        json.unsigned(number.into());
    }
}

fn read_frames<'de, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Frame<'a>>, D::Error> {
    #[derive(Deserialize)]
    struct Stacktrace<'a> {
        #[serde(default = "Vec::new", deserialize_with = "lenient::default")]
        frames: Vec<Frame<'a>>,
    }

    let stacktrace: Option<Stacktrace<'a>> = Option::deserialize(deserializer)?;
    Ok(stacktrace.map(|stacktrace| stacktrace.frames).unwrap_or_default())
}
