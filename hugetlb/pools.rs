// SPDX-License-Identifier: GPL-2.0

//! What the files share: how many huge pages are handed over, of each size and on each node.

use crate::{
    boot,
    raw::{
        self,
        Announced,
        Size, //
    }, //
};
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
    preserved_data,
    sync::Mutex, //
};

/// In [`Row::node`]: pages that are reserved, on whatever node.
pub(crate) const RESERVED: u32 = u32::MAX;

/// The mark and version of the counts.
const MAGIC: u64 = u64::from_le_bytes(*b"hugepl01");

preserved_data! {
    /// How many pages of one size there are, on one node or reserved.
    #[derive(Clone, Copy)]
    pub(crate) struct Row: version 1 {
        /// Of the size. It is zero in rows that are not used, which come last.
        pub(crate) order: u32,
        pub(crate) node: u32,
        pub(crate) count: u64,
    }

    pub(crate) struct Pools: version 1 {
        magic: u64,
        rows: [Row; Pools::ROWS],
    }
}

impl Pools {
    /// How many rows there are: what fits into a page of 4 KiB.
    pub(crate) const ROWS: usize = 255;

    /// Those that are used.
    pub(crate) fn rows(&self) -> &[Row] {
        let used = self.rows.iter().take_while(|row| row.order != 0).count();
        &self.rows[..used]
    }

    /// [`EINVAL`] unless these are counts that can be, of memory that this machine has.
    pub(crate) fn check(&self, node_pages: impl Fn(u32) -> u64) -> Result {
        if self.magic != MAGIC {
            return Err(EINVAL);
        }
        let rows = self.rows();
        let is_sound = |(at, row): (usize, &Row)| {
            let before = &rows[..at];
            let pages = row.count.checked_shl(row.order).unwrap_or(u64::MAX);
            let most = match row.node {
                RESERVED => (0..raw::NODES)
                    .map(&node_pages)
                    .fold(0, u64::saturating_add),
                node => node_pages(node),
            };
            let is_whole = row.order < u64::BITS && pages >> row.order == row.count;
            pages <= most
                && is_whole
                && row.count <= isize::MAX as u64
                && !before.iter().any(|other| other.is(row.order, row.node))
        };
        match rows.iter().enumerate().all(is_sound) {
            true => Ok(()),
            false => Err(EINVAL),
        }
    }

    /// How many are left, of a size and on a node or reserved.
    pub(crate) fn left(&self, order: u32, node: impl Fn(u32) -> bool) -> u64 {
        let is_it = |row: &&Row| row.order == order && node(row.node);
        let counts = self.rows().iter().filter(is_it).map(|row| row.count);
        counts.fold(0, u64::saturating_add)
    }

    /// Adds the pages of a file, all or none; [`ENOSPC`] if there are too many counts.
    pub(crate) fn add(&mut self, counts: &[Row]) -> Result {
        let used = self.rows().len();
        let is_new = |count: &&Row| {
            !self
                .rows()
                .iter()
                .any(|row| row.is(count.order, count.node))
        };
        if used + counts.iter().filter(is_new).count() > Self::ROWS {
            return Err(ENOSPC);
        }
        for count in counts {
            let is_it = |row: &&mut Row| row.order == 0 || row.is(count.order, count.node);
            let row = self.rows.iter_mut().find(is_it).ok_or(ENOSPC)?;
            (row.order, row.node) = (count.order, count.node);
            row.count += count.count;
        }
        Ok(())
    }

    /// Takes pages off; [`EINVAL`] if there are not so many.
    pub(crate) fn take(&mut self, taken: Row) -> Result {
        let is_it = |row: &&mut Row| row.is(taken.order, taken.node);
        let row = self.rows.iter_mut().find(is_it).ok_or(EINVAL)?;
        row.count = row.count.checked_sub(taken.count).ok_or(EINVAL)?;
        Ok(())
    }
}

impl Row {
    fn is(&self, order: u32, node: u32) -> bool {
        self.order == order && self.node == node
    }
}

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
        pools.magic = MAGIC;
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
        pools.check(raw::node_pages).inspect_err(|_| {
            pr_err!("the counts of the pages that come are damaged\n");
        })?;
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

impl Incoming {
    /// How many pages of a size are left, or are left reserved.
    pub(crate) fn left(&self, size: Size, reserved: bool) -> u64 {
        let is_it = |node| (node == RESERVED) == reserved;
        self.pools.left(size.order(), is_it)
    }

    /// Takes a page off, which is counted in the pool of this kernel then; [`EINVAL`] if there is
    /// none.
    pub(crate) fn take(&mut self, size: Size, node: u32) -> Result {
        self.take_off(size, node, 1)?;
        if !self.counted {
            size.count(node, 1, 1);
        }
        Ok(())
    }

    /// Takes reserved pages off, which are held back then.
    pub(crate) fn take_reserved(&mut self, size: Size, count: u64) -> Result {
        self.take_off(size, RESERVED, count)?;
        match self.counted && boot::held(size.order()) {
            true => Ok(()),
            false => size.hold(count as isize),
        }
    }

    fn take_off(&mut self, size: Size, node: u32, count: u64) -> Result {
        let order = size.order();
        self.pools.take(Row { order, node, count })
    }

    /// Takes out of the pool of this kernel what was to come and has not.
    fn end(&self) {
        for row in self.pools.rows().iter().filter(|row| row.count != 0) {
            let Row { order, node, count } = *row;
            pr_err!("{count} pages of order {order} have not come (node {node:#x})\n");
            match Size::of_order(order) {
                Some(size) if self.counted && node != RESERVED => {
                    size.count(node, -(count as isize), -(count as isize));
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

#[cfg(CONFIG_RUST_LIVEUPDATE_KUNIT_TEST)]
#[kunit_tests(rust_liveupdate_hugetlb_pools)]
mod tests {
    use super::*;

    /// A machine of two nodes, with 1024 small pages each.
    fn node_pages(node: u32) -> u64 {
        match node {
            0 | 1 => 1024,
            _ => 0,
        }
    }

    const fn row(order: u32, node: u32, count: u64) -> Row {
        Row { order, node, count }
    }

    fn pools(rows: &[Row]) -> Result<KhoFolio<Pools>> {
        let mut pools = KhoFolio::<Pools>::zeroed()?;
        pools.magic = MAGIC;
        pools.rows[..rows.len()].copy_from_slice(rows);
        Ok(pools)
    }

    #[test]
    fn what_is_added_can_be_taken_once() -> Result {
        let mut pools = pools(&[])?;
        pools.add(&[row(9, 0, 3), row(9, RESERVED, 5)])?;
        pools.add(&[row(9, 1, 1), row(9, 0, 2), row(4, 0, 7)])?;
        assert_eq!(pools.rows().len(), 4);
        assert_eq!(pools.left(9, |node| node != RESERVED), 6);
        assert_eq!(pools.left(9, |node| node == RESERVED), 5);
        pools.take(row(9, 0, 5))?;
        assert_eq!(pools.take(row(9, 0, 1)), Err(EINVAL));
        assert_eq!(pools.take(row(9, 2, 1)), Err(EINVAL));
        assert_eq!(pools.left(9, |node| node != RESERVED), 1);
        Ok(())
    }

    #[test]
    fn counts_of_a_file_are_added_all_or_none() -> Result {
        let mut pools = pools(&[])?;
        for node in 1..Pools::ROWS as u32 {
            pools.add(&[row(9, node, 1)])?;
        }
        let both = [row(9, 1000, 1), row(9, 1001, 1)];
        assert_eq!(pools.add(&both), Err(ENOSPC));
        assert_eq!(pools.left(9, |node| node >= 1000), 0);
        pools.add(&[row(9, 1, 1), row(9, 1000, 1)])?;
        assert_eq!(pools.add(&both), Err(ENOSPC));
        assert_eq!(pools.left(9, |_| true), Pools::ROWS as u64 + 1);
        Ok(())
    }

    #[test]
    fn counts_that_cannot_be_are_refused() -> Result {
        let sound: [&[Row]; 4] = [
            &[],
            &[row(9, 0, 2), row(9, 1, 2), row(9, RESERVED, 4)],
            &[row(10, 0, 1), row(9, 0, 1)],
            &[row(10, 0, 1), row(0, 5, u64::MAX), row(9, 5, 1)],
        ];
        for rows in sound {
            assert_eq!(pools(rows)?.check(node_pages), Ok(()));
        }
        let damaged: [&[Row]; 9] = [
            &[row(9, 0, 3)],
            &[row(9, 2, 1)],
            &[row(9, 0, 1), row(9, 0, 1)],
            &[row(9, RESERVED, 5)],
            &[row(9, 0, u64::MAX)],
            &[row(63, 0, 2)],
            &[row(64, RESERVED, 1)],
            &[row(u32::MAX, 0, 0), row(u32::MAX, 0, 1)],
            &[row(9, RESERVED, 1 << 55)],
        ];
        for rows in damaged {
            assert_eq!(pools(rows)?.check(node_pages), Err(EINVAL));
        }
        let mut other = pools(&[])?;
        other.magic += 1;
        assert_eq!(other.check(node_pages), Err(EINVAL));
        Ok(())
    }
}
