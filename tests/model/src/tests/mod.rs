// SPDX-License-Identifier: GPL-2.0

//! Each scenario runs as often as its tasks can be interleaved.
//!
//! | module | |
//! | --- | --- |
//! | [`shared`] | what tasks share, as the kernel lays it out |
//! | [`flb`] | an FLB and its outgoing object, as `lifecycle.rs` has it |
//! | [`record`] | the files of a handler, as `registry.rs` counts them |
//! | [`entry`] | what was handed over, as `lifecycle.rs` has it |
//! | [`outgoing`] | files and users of an object |
//! | [`files`] | handlers, files and users |
//! | [`incoming`] | files and users of what was handed over |
//! | [`weakened`] | orderings that are too weak, and protocols that are wrong, are noticed |

mod entry;
mod files;
mod flb;
mod incoming;
mod outgoing;
mod record;
mod shared;
mod weakened;
