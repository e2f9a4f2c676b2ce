//! The subcommands, one file each.

pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod doctor;
mod ending;
pub(crate) mod flush;
pub(crate) mod import;
mod lines;
pub(crate) mod mcp;
pub(crate) mod status;
pub(crate) mod view;
