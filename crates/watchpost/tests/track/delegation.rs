//! Every method of rmcp's `ServerHandler` is handed on: one that is not would fall back to rmcp's default and break the server.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;

/// The names of the functions in a piece of Rust.
fn functions(source: &str) -> BTreeSet<&str> {
    source
        .split("fn ")
        .skip(1)
        .filter_map(|rest| rest.split_once('(').map(|(name, _)| name))
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
        .collect()
}

#[test]
fn every_method_of_the_resolved_rmcp_is_handed_on() {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    // What other platforms would need was never downloaded.
    let args = ["metadata", "--format-version", "1", "--offline", "--filter-platform", host];
    let output = Command::new(env!("CARGO")).args(args).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    let metadata: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("cargo metadata: {complaint}"));
    let packages = metadata["packages"].as_array().unwrap();
    let manifest =
        packages.iter().find(|package| package["name"] == "rmcp").unwrap()["manifest_path"].as_str().unwrap();
    let source =
        std::fs::read_to_string(std::path::Path::new(manifest).with_file_name("src/handler/server.rs")).unwrap();
    let start = source.find("macro_rules! server_handler_methods").expect("the list of methods has moved");
    let end = source[start..].find("pub trait ServerHandler").expect("the trait has moved") + start;
    let theirs = functions(&source[start..end]);
    assert!(theirs.len() >= 32, "{theirs:?}");

    let ours = include_str!("../../src/mcp/track/tracked.rs");
    let body = ours.split_once("impl<H: ServerHandler> ServerHandler for Tracked<H> {").unwrap().1;
    let missing: Vec<_> = theirs
        .iter()
        .filter(|name| !body.contains(&format!("fn {name}(")) && !body.contains(&format!("        {name}(request")))
        .collect();
    assert_eq!(missing, Vec::<&&str>::new(), "rmcp has methods that `Tracked` does not hand on");
}
