// SPDX-License-Identifier: GPL-2.0
//! What kmemleak finds.

use crate::report;
use std::fs;
use std::io;
use std::thread::sleep;
use std::time::Duration;

const KMEMLEAK: &str = "/sys/kernel/debug/kmemleak";

/// Younger objects are not looked at, as they may be on their way.
const AGE: Duration = Duration::from_secs(6);

/// What changes between two scans is not lost.
const SCANS: usize = 2;

/// Checks that all memory that was allocated in this kernel is free or still in use.
pub fn check() -> io::Result<()> {
    sleep(AGE);
    for _ in 0..SCANS {
        fs::write(KMEMLEAK, "scan")?;
    }
    let found = fs::read_to_string(KMEMLEAK)?;
    if found.is_empty() {
        report::pass("no memory is lost");
    } else {
        let lines: Vec<&str> = found.lines().map(str::trim).take(40).collect();
        report::fail("memory", "nothing is lost", lines.join(" | "));
    }
    Ok(())
}
