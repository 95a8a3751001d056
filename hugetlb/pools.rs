// SPDX-License-Identifier: GPL-2.0

//! What the files share: how many huge pages are handed over, of each size and on each node.

use crate::{
    abi::{
        Pools,
        Row,
        RESERVED, //
    },
    boot,
    raw::{
        self,
        Announced,
        Size, //
    }, //
};
use core::mem::forget;
use kernel::{
    kho::{
        KhoFolio,
        Restored, //
    },
    liveupdate::{
        flb,
        Flb, //
    },
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

pub(crate) static POOLS: flb::Definition<Shared> = flb::Definition::new();

pub(crate) struct Shared;

#[vtable]
impl Flb for Shared {
    const COMPATIBLE: &'static CStr = c"hugetlb-pools-v1";

    /// Where the counts are.
    type Data = u64;
    type Outgoing = Pin<KBox<Mutex<Announced>>>;
    type Incoming = Pin<KBox<Mutex<Incoming>>>;

    fn preserve() -> Result<(u64, Self::Outgoing)> {
        let mut pools = KhoFolio::<Pools>::zeroed()?;
        pools.init();
        let address = pools.address();
        let pools = KBox::pin_init(new_mutex!(Announced::new(pools)?), GFP_KERNEL)?;
        Ok((address, pools))
    }

    fn unpreserve(_pools: Self::Outgoing) {}

    fn retrieve(address: u64) -> Result<Self::Incoming> {
        // Restored once, it is not there again, so there is memory for it before.
        let incoming = KBox::<Mutex<Incoming>>::new_uninit(GFP_KERNEL)?;
        let counted = boot::counted(address)?;
        let pools = raw::restore_pools(address)?;
        if !pools.are_sound(raw::memory()) {
            pr_err!("the counts of the pages that come are damaged\n");
            // Nobody knows whose it is.
            forget(pools);
            return Err(EINVAL);
        }
        Ok(incoming.write_pin_init(new_mutex!(Incoming { pools, counted }))?)
    }

    fn finish(pools: Self::Incoming) {
        pools.lock().end();
    }
}

/// The pages that have come and were not taken yet.
pub(crate) struct Incoming {
    pools: KhoFolio<Pools, Restored>,
    /// They are counted in the pool of this kernel since boot.
    counted: bool,
}

#[cfg(CONFIG_RUST_LIVEUPDATE_KUNIT_TEST)]
impl Incoming {
    /// As if these counts had come, and had not been seen at boot.
    pub(crate) fn of(counts: &[Row]) -> Result<Self> {
        let mut pools = KhoFolio::<Pools>::zeroed()?;
        pools.init();
        pools.add(counts).then_some(()).ok_or(ENOSPC)?;
        Ok(Self {
            pools: pools.unpreserve(),
            counted: false,
        })
    }
}

impl Incoming {
    /// How many pages of a size are left, or are left reserved.
    pub(crate) fn left(&self, size: Size, reserved: bool) -> u64 {
        self.pools.left(size.order(), reserved)
    }

    /// Takes a page off that has come on this node, and is counted there in the pool of this kernel
    /// then; [`EINVAL`] if there is none.
    pub(crate) fn take(&mut self, size: Size, node: u32) -> Result {
        let from = self.pools.take_page(size.order(), node).ok_or(EINVAL)?;
        let counted = match self.counted {
            true => raw::node(from),
            false => {
                size.count(node, 1, 1);
                node
            }
        };
        size.arrived(counted, node);
        Ok(())
    }

    /// Takes reserved pages off, which are held back then.
    pub(crate) fn take_reserved(&mut self, size: Size, count: u64) -> Result {
        let order = size.order();
        let node = RESERVED;
        if !self.pools.take(Row { order, node, count }) {
            return Err(EINVAL);
        }
        match self.counted && boot::held(order) {
            true => Ok(()),
            false => size.hold(count as isize),
        }
    }

    /// Takes out of the pool of this kernel what was to come and has not.
    fn end(&self) {
        for row in self.pools.rows().iter().filter(|row| row.count != 0) {
            let Row { order, node, count } = *row;
            pr_err!("{count} pages of order {order} have not come (node {node:#x})\n");
            match Size::of_order(order) {
                Some(size) if self.counted && node != RESERVED => {
                    size.count(raw::node(node), -(count as isize), -(count as isize));
                }
                Some(size) if self.counted && boot::held(order) => {
                    // Less is always possible.
                    let _ = size.hold(-(count as isize));
                }
                _ => {}
            }
        }
    }
}
