// SPDX-License-Identifier: GPL-2.0

//! Each scenario runs as often as its tasks can be interleaved.
//!
//! | module | |
//! | --- | --- |
//! | [`shared`] | what tasks share, as the kernel lays it out |
//! | [`flb`] | one direction of an FLB, as `lock.rs` has it |
//! | [`files`] | handlers, files and references, as `files.rs` and `outgoing.rs` have them |
//! | [`incoming`] | what was handed over, as `incoming.rs` has it |
//! | [`weakened`] | orderings that are too weak, and protocols that are wrong, are noticed |

mod files;
mod flb;
mod incoming;
mod shared;
mod weakened;
