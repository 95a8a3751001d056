// SPDX-License-Identifier: GPL-2.0

//! `luo-v5`: Linux 7.2 and 7.3 announce the block in the structure `LUO`.
//!
//! ```text
//!   0  char compatible[8]     "luo-v5"
//!   8  u64 liveupdate_num     how many live updates there have been
//!  16  u64 sessions_pa        the sessions, none of our business
//!  24  u64 flbs_pa            physical address of the block; zero if there is none
//! ```
//!
//! Numbers are native-endian. The orchestrator owns the structure and checks its version; of FLBs
//! it has one number, which it stores and passes on as a number.
//!
//! C header: `include/linux/kho/abi/luo.h`, `struct luo_ser`.

use super::block;
use core::ffi::CStr;

/// What the orchestrator calls this format.
pub(crate) const VERSION: &CStr = c"luo-v5";
/// Size of the structure.
pub(crate) const LEN: usize = 32;
/// Offset of `flbs_pa`.
pub(crate) const FLBS: usize = 24;

/// Why a number does not announce a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The address is not that of a page.
    Address(u64),
}

impl Error {
    /// What is wrong, and the number that shows it, for the log.
    pub(crate) fn describe(self) -> (&'static CStr, u64) {
        match self {
            Error::Address(address) => (c"bad address", address),
        }
    }
}

/// The `flbs_pa` of the previous kernel.
pub(crate) struct Received(pub(crate) u64);

/// The `flbs_pa` for the next kernel.
pub(crate) struct Field<'a>(pub(crate) &'a mut u64);

/// Finds the physical address of the block, `None` if there is none; `page_size` is a power of two.
pub(crate) fn read(received: &Received, page_size: u64) -> Result<Option<u64>, Error> {
    match received.0 {
        0 => Ok(None),
        address if block::is_address(address, page_size) => Ok(Some(address)),
        address => Err(Error::Address(address)),
    }
}

/// Announces the block at a physical address.
pub(crate) fn write(field: &mut Field<'_>, address: u64) {
    *field.0 = address;
}
