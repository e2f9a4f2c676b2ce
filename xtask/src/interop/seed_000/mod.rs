//! Soon.
use crate::Failure;
use crate::interop::{findings::Findings, rig::Rig};

pub(super) fn check(_rig: &Rig, _findings: &mut Findings) -> Result<String, Failure> {
    Ok(String::new())
}
