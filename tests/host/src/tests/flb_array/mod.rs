// SPDX-License-Identifier: GPL-2.0

//! The FLB array.
//!
//! | module | |
//! | --- | --- |
//! | [`bytes`] | arrays put together by hand, without the writer |
//! | [`model`] | what an array means, in the plainest terms |
//! | [`format`] | the format is the one of the C header, and frozen |
//! | [`boundaries`] | the last good and the first bad value of each number and name |
//! | [`writer`] | what the writer leaves behind |
//! | [`properties`] | any bytes, any entries |

mod boundaries;
pub(super) mod bytes;
mod format;
mod model;
mod properties;
mod writer;

/// The page sizes that there are: the one of x86, and all of arm64.
const PAGE_SIZES: [usize; 3] = [4 << 10, 16 << 10, 64 << 10];
