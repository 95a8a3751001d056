// SPDX-License-Identifier: GPL-2.0

//! How a kernel tells the next one where the block is: the formats of [`abi`](crate::abi), with the
//! kernel's errors.
//!
//! A kernel uses one format, the one of the orchestrator's state that it passes to
//! [`ffi`](crate::ffi). The rest of the core does not know which.

#![forbid(unsafe_code)]

use crate::{
    abi::{fdt_v1, luo_v5},
    raw,
};
use core::ffi::CStr;
use kernel::{page::PAGE_SIZE, prelude::*};

/// State of the previous kernel's orchestrator.
pub(crate) trait Announced {
    /// The physical address of the block, `None` if there is none.
    ///
    /// Errors: [`ENOENT`] if what would say so is missing; [`EINVAL`] if it is not what the format
    /// says. Both are logged.
    fn address(&self) -> Result<Option<u64>>;
}

/// State for the next kernel's orchestrator.
pub(crate) trait Announce {
    /// Adds the physical address of the block; [`ENOSPC`] if there is no room.
    fn announce(&mut self, address: u64) -> Result;

    /// What another address can be written to when the orchestrator is set up, if there is such a
    /// thing.
    fn into_announcement(self) -> Option<Announcement>;
}

/// State for the next kernel's orchestrator that is in place.
#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_FDT))]
pub(crate) use crate::raw::OutgoingField as Announcement;
/// State for the next kernel's orchestrator that is in place.
#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
pub(crate) use crate::raw::OutgoingTree as Announcement;

impl Announcement {
    /// Replaces the physical address of the block; [`ENOSPC`] if that is not possible.
    pub(crate) fn update(&mut self, address: u64) -> Result {
        #[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
        return fdt_v1::update(self, address).map_err(|error| {
            let (what, number) = error.describe();
            raw::report(b"outgoing", what, number as i64);
            ENOSPC
        });
        #[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_FDT))]
        self.announce(address)
    }
}

impl<T: fdt_v1::Reader> Announced for T {
    fn address(&self) -> Result<Option<u64>> {
        match fdt_v1::read(self, PAGE_SIZE as u64) {
            Ok(address) => Ok(Some(address)),
            Err(error @ fdt_v1::Error::NoNode) => Err(refuse(error.describe(), ENOENT)),
            Err(error) => Err(refuse(error.describe(), EINVAL)),
        }
    }
}

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
impl Announced for raw::ReceivedTree {
    fn address(&self) -> Result<Option<u64>> {
        let damaged = |error| refuse((c"damaged tree, says libfdt", u64::from(error)), EINVAL);
        self.check().map_err(damaged)?.address()
    }
}

#[cfg(CONFIG_LIVEUPDATE_FLB_HAS_FDT)]
impl Announce for raw::TreeBuilder {
    fn announce(&mut self, address: u64) -> Result {
        fdt_v1::write(self, address)
    }

    fn into_announcement(self) -> Option<Announcement> {
        Some(self.into_tree())
    }
}

impl Announced for luo_v5::Received {
    fn address(&self) -> Result<Option<u64>> {
        luo_v5::read(self, PAGE_SIZE as u64).map_err(|error| refuse(error.describe(), EINVAL))
    }
}

#[cfg(not(CONFIG_LIVEUPDATE_FLB_HAS_FDT))]
impl Announce for raw::OutgoingField {
    fn announce(&mut self, address: u64) -> Result {
        luo_v5::write(&mut self.as_format(), address);
        Ok(())
    }

    fn into_announcement(self) -> Option<Announcement> {
        Some(self)
    }
}

/// Logs why what was handed over is refused.
pub(crate) fn refuse((what, number): (&CStr, u64), error: Error) -> Error {
    raw::report_refusal(what, number);
    error
}
