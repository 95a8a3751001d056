// SPDX-License-Identifier: GPL-2.0

//! What a kernel log must not contain. A test that passes is not enough.

const FAULTS: &[&str] = &[
    "refcount_t:",
    "WARNING:",
    "BUG:",
    "kernel BUG at",
    "Oops",
    "general protection fault",
    "unable to handle",
    "KASAN:",
    "UBSAN:",
    "INFO: possible ",
    "possible circular locking",
    "suspicious RCU usage",
    "DEBUG_LOCKS_WARN_ON",
    " new suspected memory leaks",
    "blocked for more than",
    "soft lockup",
    "detected stalls",
    "self-detected stall",
    "rtmutex deadlock detected",
    "CFI failure",
    "Kernel panic",
    "unable to open an initial console",
];

/// The first line of a log that tells of a fault. What the guest itself prints is none.
pub fn first(log: &str) -> Option<&str> {
    log.lines()
        .filter(|line| !line.starts_with("FLB-"))
        .find(|line| FAULTS.iter().any(|fault| line.contains(fault)))
        .map(str::trim)
}
