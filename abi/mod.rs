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
//! | [`flb_array`] | the FLB array, the same in all kernel versions |
//!
//! How a kernel finds the array is the orchestrator's format, in which FLBs have a number, such as
//! `flbs_pa` in `struct luo_ser`. See `shim.c`.

#![forbid(unsafe_code)]

pub(crate) mod flb_array;
pub(crate) mod name;
