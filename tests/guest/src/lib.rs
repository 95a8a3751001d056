// SPDX-License-Identifier: GPL-2.0
//! What the programs share.

pub mod liveupdate;
pub mod sys;
