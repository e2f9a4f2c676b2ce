//! Which content may leave the process: the one switch between `none`, what seed 000 lists, and everything.

use std::{fmt, str::FromStr};

use serde::{Deserialize, de};

/// Which content of an event or a span is exported. Metadata (names, ids, sizes, counts, durations, whether and how it failed) always
/// is.
///
/// | setting | user intent | actor | error texts | arguments | results | properties |
/// | --- | --- | --- | --- | --- | --- | --- |
/// | `none` | – | – | – | – | – | – |
/// | `seed` (default) | ✓ | ✓ | ✓ | – | – | ✓ |
/// | `all` | ✓ | ✓ | ✓ | ✓ | ✓ | ✓ |
///
/// Of an AI span, *arguments* are all that goes in (messages, instructions, prompts, tool definitions, the arguments of tools),
/// *results* all that comes out (answers, the results of tools, other outputs), *actor* the user and resource ids of its metadata.
/// What is left out is counted: bytes, and messages. The host's metadata and tags are labels; `none` leaves out those of its
/// metadata that are longer than 200 bytes, objects or arrays.
///
/// Properties are any JSON of the host's own: only `none` leaves them out. A list names exactly what else is wanted: `inputs` (arguments and user intent), `outputs` (results and error texts), `user`
/// (the actor), `intent`, `errors`; for example `inputs,user`. In JSON and TOML it may be an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Capture {
    /// `user_intent`.
    pub intent: bool,
    /// The actor: id, name and data.
    pub user: bool,
    /// What errors and cancellations say: messages, reasons, JSON-RPC `data`, content blocks, source lines. Types, codes and
    /// stack frames are metadata.
    pub errors: bool,
    /// The arguments of calls.
    pub arguments: bool,
    /// The results of calls.
    pub results: bool,
}

impl Capture {
    /// No content at all.
    pub const NONE: Self = Self { intent: false, user: false, errors: false, arguments: false, results: false };
    /// What the tables of seed 000 list.
    pub const SEED: Self = Self { intent: true, user: true, errors: true, arguments: false, results: false };
    /// All content.
    pub const ALL: Self = Self { intent: true, user: true, errors: true, arguments: true, results: true };

    fn add(&mut self, name: &str) -> Result<(), ParseCaptureError> {
        match name {
            "none" => {}
            "seed" => *self = self.or(Self::SEED),
            "all" => *self = Self::ALL,
            "inputs" => *self = self.or(Self { intent: true, arguments: true, ..Self::NONE }),
            "outputs" => *self = self.or(Self { errors: true, results: true, ..Self::NONE }),
            "user" => self.user = true,
            "intent" => self.intent = true,
            "errors" => self.errors = true,
            _ => return Err(ParseCaptureError { name: name.to_owned() }),
        }
        Ok(())
    }

    const fn or(self, other: Self) -> Self {
        Self {
            intent: self.intent || other.intent,
            user: self.user || other.user,
            errors: self.errors || other.errors,
            arguments: self.arguments || other.arguments,
            results: self.results || other.results,
        }
    }
}

impl Default for Capture {
    fn default() -> Self {
        Self::SEED
    }
}

/// A word that names no content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no content to capture; use none, seed, all, or a list of inputs, outputs, user, intent, errors")]
pub struct ParseCaptureError {
    name: String,
}

impl FromStr for Capture {
    type Err = ParseCaptureError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',').map(str::trim).try_fold(Self::NONE, |mut capture, name| {
            capture.add(name)?;
            Ok(capture)
        })
    }
}

impl<'de> Deserialize<'de> for Capture {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl<'de> de::Visitor<'de> for Names {
            type Value = Capture;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("none, seed, all, or a list of inputs, outputs, user, intent, errors")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Capture, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut names: A) -> Result<Capture, A::Error> {
                let mut capture = Capture::NONE;
                while let Some(name) = names.next_element::<String>()? {
                    capture.add(&name).map_err(de::Error::custom)?;
                }
                Ok(capture)
            }
        }

        deserializer.deserialize_any(Names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_lists_choose_the_content() {
        assert_eq!("none".parse(), Ok(Capture::NONE));
        assert_eq!("seed".parse(), Ok(Capture::default()));
        assert_eq!("all".parse(), Ok(Capture::ALL));
        assert_eq!("inputs, outputs,user".parse(), Ok(Capture::ALL));
        assert_eq!("user".parse(), Ok(Capture { user: true, ..Capture::NONE }));
        assert_eq!(serde_json::from_str::<Capture>(r#"["intent", "user", "errors"]"#).unwrap(), Capture::SEED);
    }

    #[test]
    fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
        let error = "seed,imputs".parse::<Capture>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`imputs` is no content to capture; use none, seed, all, or a list of inputs, outputs, user, intent, errors"
        );
        assert!(serde_json::from_str::<Capture>("true").is_err());
    }
}
