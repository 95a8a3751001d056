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

#![forbid(unsafe_code)]

pub(crate) mod block;
pub(crate) mod fdt_v1;
pub(crate) mod name;
