//! Which of the spans that failed tell of the same failure. Source: seed 004's errors, Mastra's `errorInfo`, which every span on
//! the way up repeats.

use crate::model::ErrorInfo;

/// Shortest message that is looked for inside another: a shorter one is found anywhere.
const MIN_CONTAINED: usize = 4;
/// Most causes that are compared.
const MAX_CAUSES: usize = 16;

/// What tells one failure from another, kept of a span that was released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    message: String,
    ty: Option<String>,
    stack: Option<String>,
    causes: Vec<String>,
    /// Whether it is in words of Mastra's own, which wraps what was thrown and forgets it.
    wraps: bool,
}

impl Failure {
    pub(super) fn of(error: &ErrorInfo) -> Self {
        Self {
            message: error.message.trim().to_owned(),
            ty: error.ty.clone(),
            stack: error.stack.clone(),
            causes: error.causes.iter().take(MAX_CAUSES).map(|cause| cause.message.trim().to_owned()).collect(),
            // What a host throws has the category `USER`, also where Mastra gives it an id.
            wraps: error.id.is_some() && error.category.as_deref() == Some("SYSTEM"),
        }
    }

    /// About how many bytes it holds.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.causes.iter().chain(&self.ty).chain(&self.stack).chain(Some(&self.message));
        size_of::<Self>() + texts.map(|text| text.len() + size_of::<String>()).sum::<usize>()
    }

    /// Whether it may tell, in words of its own, of a failure below it.
    pub(super) const fn wraps(&self) -> bool {
        self.wraps
    }

    /// Whether a span that failed so only repeats what `below`, a span below it, failed of.
    pub(super) fn repeats(&self, below: &Self) -> bool {
        if self.message == below.message && (!self.message.is_empty() || self.ty == below.ty) {
            return true;
        }
        let same_place = self.stack.as_deref().is_some_and(|stack| !stack.trim().is_empty());
        (same_place && self.stack == below.stack && self.ty == below.ty)
            || self.causes.iter().any(|cause| !cause.is_empty() && *cause == below.message)
            || contains_words(&self.message, &below.message)
    }
}

/// Whether `text` has `part` in it, not as a part of a longer word.
fn contains_words(text: &str, part: &str) -> bool {
    if part.len() < MIN_CONTAINED || part.len() > text.len() {
        return false;
    }
    text.match_indices(part).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + part.len()..].chars().next();
        let inside_word = |side: Option<char>, edge: Option<char>| {
            side.is_some_and(char::is_alphanumeric) && edge.is_some_and(char::is_alphanumeric)
        };
        !inside_word(before, part.chars().next()) && !inside_word(after, part.chars().next_back())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(message: &str, ty: Option<&str>, stack: Option<&str>, causes: &[&str]) -> Failure {
        let error = |message: &str| ErrorInfo { message: message.to_owned(), ..ErrorInfo::default() };
        Failure::of(&ErrorInfo {
            ty: ty.map(str::to_owned),
            stack: stack.map(str::to_owned),
            causes: causes.iter().map(|message| error(message)).collect(),
            ..error(message)
        })
    }

    #[test]
    fn a_failure_is_repeated_by_message_by_containing_it_by_stack_and_by_cause() {
        let below = failure("db down", Some("DbError"), Some("at q (db.js:1:1)"), &[]);
        for (above, repeats) in [
            (failure("db down", None, None, &[]), true),
            (failure("Tool 'search' failed: db down", None, None, &[]), true),
            (failure("db downgraded", None, None, &[]), false),
            (failure("rate limit", Some("DbError"), Some("at q (db.js:1:1)"), &[]), true),
            (failure("rate limit", Some("Other"), Some("at q (db.js:1:1)"), &[]), false),
            (failure("agent failed", None, None, &["x", "db down"]), true),
            (failure("agent failed", None, None, &[]), false),
            (failure("", None, None, &[]), false),
        ] {
            assert_eq!(above.repeats(&below), repeats, "{above:?}");
        }
    }

    #[test]
    fn a_message_that_says_nothing_is_found_in_no_other() {
        assert!(!failure("all is lost", None, None, &[]).repeats(&failure("", None, None, &[])));
        assert!(!failure("no ok", None, None, &[]).repeats(&failure("ok", None, None, &[])));
        assert!(failure("", Some("A"), None, &[]).repeats(&failure("", Some("A"), None, &[])));
        assert!(!failure("", Some("A"), None, &[]).repeats(&failure("", Some("B"), None, &[])));
    }
}
