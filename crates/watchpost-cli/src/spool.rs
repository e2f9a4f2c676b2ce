//! Where the command keeps what Sentry has not taken yet: the folder that was chosen, else one in the user's state folder.
//! Source: XDG Base Directory Specification (`XDG_STATE_HOME`); Apple's "File System Programming Guide" (Application Support).

use std::{
    env,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use serde::{Deserialize, de};
use watchpost_sentry::delivery::{SpoolConfig, SpoolMode};

/// A spool, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChosenSpool {
    /// `off`.
    Off,
    /// This folder.
    Folder(PathBuf),
}

impl FromStr for ChosenSpool {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "off" => Self::Off,
            folder => Self::Folder(PathBuf::from(folder)),
        })
    }
}

impl<'de> Deserialize<'de> for ChosenSpool {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() {
            return Err(de::Error::custom("the spool is empty; give a folder, or off"));
        }
        Ok(text.parse().unwrap_or(Self::Off))
    }
}

/// What was said about the spool; what was not has its default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpoolChoice {
    pub(crate) place: Option<ChosenSpool>,
    pub(crate) mode: Option<SpoolMode>,
    pub(crate) max_bytes: Option<u64>,
    pub(crate) max_age: Option<Duration>,
}

impl SpoolChoice {
    /// The folder; `None` when it is off, or when there is no home to make one in.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match &self.place {
            Some(ChosenSpool::Off) => None,
            Some(ChosenSpool::Folder(folder)) => Some(folder.clone()),
            None => default_folder(|name| env::var_os(name).map(PathBuf::from)),
        }
    }

    /// The delivery's configuration.
    pub(crate) fn config(&self) -> Option<SpoolConfig> {
        let Some(folder) = self.folder() else {
            if self.place.is_none() {
                tracing::info!("no spool: neither XDG_STATE_HOME nor HOME names a folder for it; give --spool DIR");
            }
            return None;
        };
        let mut config = SpoolConfig::new(folder);
        config.mode = self.mode.unwrap_or(config.mode);
        config.max_bytes = self.max_bytes.unwrap_or(config.max_bytes);
        config.max_age = self.max_age.unwrap_or(config.max_age);
        Some(config)
    }
}

/// `$XDG_STATE_HOME/watchpost/spool`, else in the home `.local/state/watchpost/spool`; on macOS
/// `Library/Application Support/watchpost/spool`. A path that is not absolute counts as not set.
fn default_folder(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    let in_home = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/state" };
    let state = absolute("XDG_STATE_HOME").or_else(|| absolute("HOME").map(|home| home.join(in_home)))?;
    Some(state.join(Path::new("watchpost/spool")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_chosen_one_else_in_the_state_folder_else_in_the_home_else_nowhere() {
        let folder = |state: &str, home: &str| {
            default_folder(|name| match name {
                "XDG_STATE_HOME" if !state.is_empty() => Some(PathBuf::from(state)),
                "HOME" if !home.is_empty() => Some(PathBuf::from(home)),
                _ => None,
            })
        };
        assert_eq!(folder("/state", "/home/a"), Some(PathBuf::from("/state/watchpost/spool")));
        let in_home = folder("relative", "/home/a").unwrap();
        assert!(in_home.starts_with("/home/a") && in_home.ends_with("watchpost/spool"), "{}", in_home.display());
        assert_eq!(folder("", "relative"), None);
        assert_eq!(folder("", ""), None);
        let chosen = SpoolChoice { place: Some("here".parse().unwrap()), ..SpoolChoice::default() };
        assert_eq!(chosen.folder(), Some(PathBuf::from("here")));
        let off = SpoolChoice { place: Some("off".parse().unwrap()), ..SpoolChoice::default() };
        assert_eq!(off.config(), None);
    }

    #[test]
    fn what_was_not_said_has_the_librarys_default() {
        let place = Some(ChosenSpool::Folder(PathBuf::from("x")));
        let choice = SpoolChoice { place, max_bytes: Some(5), ..SpoolChoice::default() };
        assert_eq!(choice.config(), Some(SpoolConfig::new("x").with_max_bytes(5)));
    }
}
