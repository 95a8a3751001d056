// SPDX-License-Identifier: GPL-2.0

//! Programs and what they print.

use crate::kernels::{Build, Tree};
use crate::plan::top;
use libtest_mimic::Failed;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// A script of the project.
pub fn script(name: &str) -> Command {
    let mut command = Command::new(top().join("scripts").join(name));
    command.stdin(Stdio::null());
    command
}

/// The kernel's make, for a build that is there.
pub fn kbuild(tree: &Tree, build: &Build) -> Command {
    let mut make = Command::new("make");
    make.arg("-C")
        .arg(tree.dir())
        .arg(format!("O={}", build.dir().display()));
    make.arg(format!("ARCH={}", build.arch.name()));
    make
}

/// The command by which kbuild made something.
pub fn saved_command(file: &Path) -> Result<String, Failed> {
    let text = fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("savedcmd_")?.split_once(" := "));
    Ok(line.ok_or("no command")?.1.to_string())
}

/// What a program printed, both streams; an error is the line that says best what went wrong.
pub fn output(command: &mut Command) -> Result<String, Failed> {
    let name = format!("{:?}", command.get_program());
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    let text = text(&done);
    if done.status.success() {
        Ok(text)
    } else if text.trim().is_empty() {
        Err(format!("{name}: {}", done.status).into())
    } else {
        Err(reason(&text).into())
    }
}

/// Both streams of what ended.
pub fn text(done: &Output) -> String {
    String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr)
}

/// The last line that is not empty.
pub fn last_line(text: &str) -> Option<&str> {
    text.lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
}

/// The line of what a program printed that says best what went wrong.
pub fn reason(text: &str) -> String {
    let marks = ["luo-flb: error: ", "error", "Error", "failed", "not found"];
    let dull = |line: &&str| {
        !line.starts_with("make")
            && !line.contains("aborting due")
            && !line.contains("could not compile")
    };
    let with = |mark: &&str| text.lines().filter(dull).find(|line| line.contains(*mark));
    let line = marks.iter().find_map(with).or_else(|| last_line(text));
    line.unwrap_or("no output").trim().to_string()
}

/// The text of a failure, to keep it.
pub fn line(failed: Failed) -> String {
    failed.message().unwrap_or("failed").to_string()
}

/// Sends a signal. A bare Debian has no program for it, but its shell.
pub fn kill(signal: &str, process: u32) -> Result<(), Failed> {
    let kill = format!("kill -s {signal} {process}");
    output(Command::new("sh").args(["-c", &kill])).map(|_| ())
}
