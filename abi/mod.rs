// SPDX-License-Identifier: GPL-2.0

//! The formats in which FLB state is handed from one kernel to the next, and nothing else.
//!
//! This module depends on `core` alone, so the same files are compiled into the kernel and into
//! the host crate that tests them. What it reads comes from another kernel and is treated as
//! input: decoding is total, and yields either typed values or an error that names what is wrong.
//!
//! | module | format |
//! | --- | --- |
//! | [`name`] | the compatible string of an FLB, 48 bytes |
//! | [`block`] | the table of FLBs, common to all series |
//! | [`fdt_v1`] | how Linux 7.1 finds the table: node `luo-flb` of the FDT `LUO` |
//! | [`luo_v5`] | how Linux 7.2 and 7.3 find it: a number in the structure `LUO` |

#![forbid(unsafe_code)]

pub(crate) mod block;
// A kernel uses one of the two that follow.
#[allow(dead_code)]
pub(crate) mod fdt_v1;
#[allow(dead_code)]
pub(crate) mod luo_v5;
pub(crate) mod name;
