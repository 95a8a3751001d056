// SPDX-License-Identifier: GPL-2.0

//! `dtc` and `fdtget`, a second opinion on what has been written.

use super::libfdt::Tree;
use std::{
    io::Write,
    process::{Command, Stdio},
};

/// What a tool prints about a tree that it reads from its standard input.
fn run(tool: &str, arguments: &[&str], tree: &Tree) -> String {
    let mut child = Command::new(tool)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{tool}: {error}: install the Debian package device-tree-compiler")
        });
    // Dropped at the end of the statement, so that the tool sees the end of its input.
    let written = child.stdin.take().unwrap().write_all(tree.bytes());
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool} {arguments:?}: {errors}");
    written.unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The tree as text, one blank between words.
pub(super) fn dts(tree: &Tree) -> String {
    let text = run("dtc", &["-q", "-I", "dtb", "-O", "dts", "-"], tree);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What `fdtget` prints, by lines.
pub(super) fn fdtget(tree: &Tree, options: &[&str], rest: &[&str]) -> Vec<String> {
    let text = run("fdtget", &[options, &["-"], rest].concat(), tree);
    text.lines().map(str::to_owned).collect()
}
