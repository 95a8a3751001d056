// SPDX-License-Identifier: GPL-2.0

//! `struct luo_ser`: the orchestrator's state as one structure.
//!
//! The core is given a field of it. What follows ties [`luo_v5`] to the C headers.

use super::same;
use crate::{abi::luo_v5, bindings};
use core::mem::{align_of, offset_of, size_of};
use kernel::prelude::*;

static_assert!(same(luo_v5::VERSION, bindings::LUO_ABI_COMPATIBLE));
static_assert!(size_of::<bindings::luo_ser>() == luo_v5::LEN);
static_assert!(offset_of!(bindings::luo_ser, flbs_pa) == luo_v5::FLBS);
// The structure is packed, and begins a page.
static_assert!(luo_v5::FLBS % align_of::<u64>() == 0);
