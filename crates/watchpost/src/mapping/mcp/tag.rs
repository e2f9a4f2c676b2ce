//! Seed 000, "Tags": what transactions and error events can be filtered and grouped by.

use std::borrow::Cow;

use crate::{
    mapping::{
        Settings, limit,
        tag::{tag_key, tag_value},
    },
    model::McpEvent,
};

/// A tag's value, if the event has it.
type Text = for<'a> fn(&'a McpEvent, &'a Settings) -> Option<&'a str>;

#[rustfmt::skip]
const TAGS: &[(&str, Text)] = &[
    // tag           value                                                        AgentCat field            condition
    ("environment",  |_, settings| Some(settings.environment())),              // environment config        always
    ("release",      |_, settings| settings.release()),                        // release config            if configured
    ("event_type",   |event, _| Some(&event.event_type)),                      // event_type                always
    ("resource",     |event, _| event.resource_name.as_deref()),               // resource_name             if available
    ("server_name",  |event, _| event.server.name.as_deref()),                 // server_name               if available
    ("client_name",  |event, _| event.client.name.as_deref()),                 // client_name               if available
    ("actor_id",     |event, _| event.actor.as_ref()?.id.as_deref()),          // identify_actor_given_id   if user identified
];

/// The tag that error events have beside the seed's: what kind of failure it was.
pub(super) const ERROR_TYPE: &str = "error_type";

/// A tag as the wire takes it.
pub(super) type Tag<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The seed's tags, then the host's own; a tag of the host never replaces one of the seed's, nor [`ERROR_TYPE`].
pub(super) fn tags<'a>(event: &'a McpEvent, settings: &'a Settings) -> Vec<Tag<'a>> {
    let mut tags = Vec::with_capacity(TAGS.len() + event.tags.len() + 1);
    for (name, text) in TAGS {
        if let Some(value) = text(event, settings).and_then(tag_value) {
            tags.push((Cow::Borrowed(*name), value));
        }
    }
    tags.extend(own_tags(event));
    tags
}

/// The host's own tags, at most 50, without those the seed names, [`ERROR_TYPE`] and those that would be empty.
pub(super) fn own_tags(event: &McpEvent) -> impl Iterator<Item = Tag<'_>> {
    event.tags.iter().take(limit::OWN_ENTRIES).filter_map(|(key, value)| {
        let key = tag_key(key)?;
        let is_free = key != ERROR_TYPE && TAGS.iter().all(|(name, _)| *name != key);
        Some((key, tag_value(value)?)).filter(|_| is_free)
    })
}
