//! The receiver as people and SDKs meet it: its pages driven in a headless Chromium, and Sentry's own SDKs sending to it.

mod sdks;
mod view;

use std::{path::PathBuf, time::Duration};

use serde_json::Value;

pub(super) use self::sdks::check as sdks;
use self::view::View;
use super::{findings::Findings, install::Kit, process, rig::Rig};
use crate::Failure;

/// Names under which a Chromium may be installed; `CHROMIUM` names another.
const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
/// The drive opens some fifty pages.
const DRIVE_LIMIT: Duration = Duration::from_secs(240);
const SCENE_LIMIT: Duration = Duration::from_secs(60);

/// Every page with the demo's data, a day of traffic and hostile payloads, in light and dark, by keyboard, on a phone.
pub(super) fn check(rig: &Rig, findings: &mut Findings) -> Result<String, Failure> {
    let chromium = chromium()?;
    let view = View::demo(rig)?;
    let folder = rig.runs().join("browser");
    std::fs::create_dir_all(&folder)?;
    let base = format!("http://{}", view.address);
    let mut scene = rig.quiet("node");
    scene.arg(rig.script("browser/scene.mjs")).args([&base, "hostile"]);
    let scene = process::run_well("scene.mjs", &mut scene, SCENE_LIMIT, &folder.join("scene"))?;
    let scene: Value = serde_json::from_slice(&scene.stdout)?;
    let mut drive = rig.quiet("node");
    drive.arg(rig.kit(Kit::Browser).join("drive.mjs")).arg(&base).arg(&chromium).arg(&folder);
    for trace in ["trace", "knot"] {
        drive.arg(scene[trace].as_str().ok_or_else(|| format!("scene.mjs names no {trace}"))?);
    }
    let drive = process::run_well("drive.mjs", &mut drive, DRIVE_LIMIT, &folder.join("drive"))?;
    let said: Value = serde_json::from_slice(&drive.stdout)?;
    for finding in said["findings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        findings.add(finding);
    }
    Ok(said["summary"].as_str().unwrap_or_default().to_owned())
}

/// Where a Chromium is installed. Puppeteer wants a path. It is not asked whether it runs: the drive says so, with what it
/// complains of.
fn chromium() -> Result<PathBuf, Failure> {
    if let Some(named) = std::env::var_os("CHROMIUM") {
        return Ok(PathBuf::from(named));
    }
    let folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|paths| std::env::split_paths(&paths).collect()).unwrap_or_default();
    let mut programs = BROWSERS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let found = programs.find(|program| program.is_file());
    Ok(found.ok_or("no Chromium is installed: install the package `chromium`, or name one in CHROMIUM")?)
}
