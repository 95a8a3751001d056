// SPDX-License-Identifier: GPL-2.0
//! The way from the kernel that leaves a block for the benchmark to the one that measures. The rest
//! of it is in the kernel, `tests/bench`.

use crate::cmdline::Cmdline;
use crate::{kexec, report};
use std::io;

/// Label of the kernel that comes next.
const LABEL: &str = "bench";

/// Goes there. Returns only on failure.
pub fn receive(mut cmdline: Cmdline) -> io::Result<()> {
    report::start(LABEL, "hop 0".to_string());
    cmdline.set("liveupdate", "on");
    cmdline.set("flb_bench.phase", "receive");
    kexec::load(LABEL, &[], &cmdline)?;
    Err(kexec::boot())
}
