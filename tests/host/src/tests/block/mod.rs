// SPDX-License-Identifier: GPL-2.0

//! The table of FLBs.
//!
//! | module | |
//! | --- | --- |
//! | [`bytes`] | blocks put together by hand, without the writer |
//! | [`model`] | what a block means, in the plainest terms |
//! | [`layout`] | the format is the one of the C header, and frozen |
//! | [`boundaries`] | the last good and the first bad value of each number |
//! | [`names`] | names in the table |
//! | [`index`] | what the entries are put into |
//! | [`large`] | blocks of many pages |
//! | [`writer`] | what the writer leaves behind |
//! | [`properties`] | any bytes, any entries |

mod boundaries;
mod bytes;
mod index;
mod large;
mod layout;
mod model;
mod names;
mod properties;
mod writer;

/// The page sizes that there are: the one of x86, and all of arm64.
pub(super) const PAGE_SIZES: [usize; 3] = [4 << 10, 16 << 10, 64 << 10];
