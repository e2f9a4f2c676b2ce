//! Turning borrowed parts into owned ones, for `into_owned`.

use std::borrow::Cow;

use super::Value;

pub(super) fn text(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

pub(super) fn some(option: Option<Cow<'_, str>>) -> Option<Cow<'static, str>> {
    option.map(text)
}

pub(super) fn members(members: Vec<(Cow<'_, str>, Value<'_>)>) -> Vec<(Cow<'static, str>, Value<'static>)> {
    members.into_iter().map(|(key, value)| (text(key), value.into_owned())).collect()
}

pub(super) fn tags(tags: Vec<(Cow<'_, str>, Cow<'_, str>)>) -> Vec<(Cow<'static, str>, Cow<'static, str>)> {
    tags.into_iter().map(|(key, value)| (text(key), text(value))).collect()
}
