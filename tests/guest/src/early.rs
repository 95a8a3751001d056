// SPDX-License-Identifier: GPL-2.0
//! The FLB that is asked for very early: a part of the in-kernel test client
//! (`tests/client/flb_early.c`).

use crate::report;
use std::fmt::Display;
use std::fs;
use std::io::{self, Write};

/// The word of the command line that has a kernel do so.
pub const PARAM: &str = "flb_early.get";

const FILE: &str = "/sys/kernel/debug/luo_flb_client/early";

/// What the client tells of it.
pub fn state() -> io::Result<String> {
    Ok(fs::read_to_string(FILE)?.trim_end().to_string())
}

/// Compares what the client tells with what it has to be.
pub fn expect(when: impl Display, expected: impl Display) -> io::Result<()> {
    report::equal(when, expected.to_string(), state()?);
    Ok(())
}

fn command(text: &str) -> io::Result<()> {
    // One write is one command, so no buffering and no retry.
    let mut file = fs::File::options().write(true).open(FILE)?;
    file.write(text.as_bytes()).map(drop)
}

/// `liveupdate_register_flb()` with the memfd handler.
pub fn register() -> io::Result<()> {
    command("register")
}

/// `liveupdate_flb_get_incoming()`
pub fn get() -> io::Result<()> {
    command("get")
}

/// `liveupdate_flb_put_incoming()`
pub fn put() -> io::Result<()> {
    command("put")
}
