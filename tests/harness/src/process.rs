// SPDX-License-Identifier: GPL-2.0

//! Programs and what they print.

use libtest_mimic::Failed;
use std::process::{Command, Output, Stdio};

/// A script of the project.
pub fn script(name: &str) -> Command {
    let mut command = Command::new(crate::plan::top().join("scripts").join(name));
    command.stdin(Stdio::null());
    command
}

/// What a program printed, both streams; an error is its last line.
pub fn output(command: &mut Command) -> Result<String, Failed> {
    let name = format!("{:?}", command.get_program());
    let done = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    let text = text(&done);
    if done.status.success() {
        Ok(text)
    } else {
        Err(last_line(&text)
            .map_or(format!("{name}: {}", done.status), str::to_string)
            .into())
    }
}

/// Both streams of what ended.
pub fn text(done: &Output) -> String {
    String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr)
}

/// The last line that is not empty.
pub fn last_line(text: &str) -> Option<&str> {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty())
}
