// SPDX-License-Identifier: GPL-2.0
//! What the Rust core shows of itself: `liveupdate/flb` in debugfs, and its trace events.

use std::fs;
use std::io;
use std::path::Path;

const FILE: &str = "/sys/kernel/debug/liveupdate/flb";
const TRACING: &str = "/sys/kernel/tracing";

/// Whether the file is there.
pub fn is_there() -> bool {
    Path::new(FILE).exists()
}

/// The lines of the file.
pub fn lines() -> io::Result<Vec<String>> {
    let text = fs::read_to_string(FILE)?;
    Ok(text.lines().map(str::to_string).collect())
}

/// The words of the line that starts with these.
pub fn words(start: &str) -> io::Result<Vec<String>> {
    let all = lines()?;
    let line = all.iter().find_map(|line| line.strip_prefix(start));
    Ok(line.map_or(Vec::new(), |rest| {
        rest.split_whitespace().map(str::to_string).collect()
    }))
}

/// Whether this kernel has trace events.
pub fn has_events() -> bool {
    Path::new(TRACING).join("events/luo_flb").exists()
}

/// Traces all events of FLBs from now on, and nothing else.
pub fn trace() -> io::Result<()> {
    fs::write(format!("{TRACING}/trace"), "")?;
    fs::write(format!("{TRACING}/events/luo_flb/enable"), "1")
}

/// What was traced: each event from its name on.
pub fn traced() -> io::Result<Vec<String>> {
    let text = fs::read_to_string(format!("{TRACING}/trace"))?;
    let event = |line: &str| line.find("luo_flb_").map(|at| line[at..].to_string());
    Ok(text.lines().filter_map(event).collect())
}
