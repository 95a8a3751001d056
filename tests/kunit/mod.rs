// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of the core, one a topic.
//!
//! Each test has an [`LuoFlb`](crate::files::LuoFlb) of its own, and fake handlers and FLBs;
//! see [`support`]. A case whose name ends in `_warns` breaks the contract of the API on purpose,
//! so that the kernel logs a warning. Cases named after a defect of the C implementation (`d3_`)
//! show what it is like here.
//!
//! A failed assertion ends the test without running destructors. So nothing is asserted in a
//! callback or while a lock is held: callbacks record, the test looks at the record afterwards.

mod support;

mod clients;
#[cfg(CONFIG_LIVEUPDATE_FLB_DEBUGFS)]
mod debugfs;
mod defects;
mod failures;
#[cfg(CONFIG_LIVEUPDATE_FLB_FAULTS)]
mod faults;
#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
mod fdt;
mod frozen;
mod handover;
mod incoming;
mod limits;
#[cfg(not(CONFIG_PROVE_LOCKING))]
mod nesting;
mod off;
mod outgoing;
#[cfg(CONFIG_MODULE_UNLOAD)]
mod positions;
mod preserve;
mod races;
mod reentry;
mod registration;
