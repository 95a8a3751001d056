// SPDX-License-Identifier: GPL-2.0

//! Files in huge pages go through a live update: those of `memfd_create(MFD_HUGETLB)`.
//!
//! ```text
//!                this kernel                          the next kernel
//!
//! memfd   Record, runs of pages  -- LUO, KHO -->  a file with the same pages
//! pools   counts of those pages  -- FLB ------->  which page is expected
//!                                +- KHO root -->  fewer are allocated at boot
//! ```
//!
//! | module | owns |
//! | --- | --- |
//! | `memfd` | the file handler: what of a file is handed over |
//! | `runs` | the pages of a file, as they are handed over and as they come back |
//! | `pools` | the FLB, which all files share: how many pages are handed over |
//! | `boot` | the counts at boot, when pages are allocated |
//! | `raw` | `mm/hugetlb.c` and files |
//! | `abi` | the formats |
//!
//! A page that is handed over is one in use: from boot on it is counted in the pool of the next
//! kernel, which allocates fewer for that. So `HugePages_Total` is what the administrator has asked
//! for, as long as that is not less than what is handed over; beyond it, pages are surplus. A page
//! leaves this state for a file, or for the pool if its file is finished without having been
//! retrieved. Pages that are reserved, without being there, are held back from boot on as well. The
//! nodes may be others in the next kernel: what is counted on one then leaves it for another.
//!
//! # Locks
//!
//! The inode of a file is locked (`i_rwsem`) while it is looked through; inside are those of its
//! pages, of its reservations, and of what moves pages. The mutex of the pools is taken without it,
//! and has `hugetlb_lock` inside.

mod abi;
mod boot;
mod memfd;
mod pools;
mod raw;
mod runs;
#[cfg(CONFIG_RUST_LIVEUPDATE_KUNIT_TEST)]
mod tests;

use kernel::{
    liveupdate::{
        self,
        file, //
    },
    prelude::*,
    preserved_data, //
};

module! {
    type: HugetlbModule,
    name: "luo_hugetlb",
    authors: ["The FLB in Rust developers"],
    description: "Files in huge pages that go through a live update",
    license: "GPL",
}

struct HugetlbModule {
    _registration: Option<file::Registration<memfd::Memfd>>,
}

impl kernel::Module for HugetlbModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        // Without live update there is nothing to do.
        let registration = match liveupdate::is_enabled() {
            true => Some(memfd::HANDLER.register()?.with(&pools::POOLS)?),
            false => None,
        };
        Ok(Self {
            _registration: registration,
        })
    }
}
