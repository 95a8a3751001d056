// SPDX-License-Identifier: GPL-2.0

//! The node of Linux 7.1, with the libfdt that the kernel has a copy of.
//!
//! | module | |
//! | --- | --- |
//! | [`libfdt`] | the library; the only unsafe code of this crate |
//! | [`tree`] | trees as LUO builds them, good and bad |
//! | [`tools`] | `dtc` and `fdtget`, a second opinion |
//! | [`format`] | what is written is what the format says, and frozen |
//! | [`refusals`] | bad trees |
//! | [`failures`] | a tree that takes no more |
//! | [`update`] | another address in a tree that is there |
//! | [`properties`] | any address, any wrong byte |

mod failures;
mod format;
mod libfdt;
mod properties;
mod refusals;
mod tools;
mod tree;
mod update;
