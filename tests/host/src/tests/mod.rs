// SPDX-License-Identifier: GPL-2.0

//! | module | tests |
//! | --- | --- |
//! | [`block`] | the table of FLBs |
//! | [`fdt`] | the node of Linux 7.1, with libfdt and the tools of the Device Tree Compiler |
//! | [`luo_v5`] | the number of Linux 7.2 and 7.3 |
//! | [`name`] | the compatible string |
//! | [`state`] | the two state machines, against models |

mod block;
mod config;
mod fdt;
mod luo_v5;
mod name;
mod state;
