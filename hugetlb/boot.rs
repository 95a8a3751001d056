// SPDX-License-Identifier: GPL-2.0

//! The counts at boot: of the pages that the administrator asks for, fewer are allocated.
//!
//! There is one processor, and for gigantic pages no allocator yet. What comes is read where it is;
//! it is restored with the first file.

use crate::{
    abi::{
        Pools,
        Row,
        RESERVED, //
    },
    raw::{
        self,
        Size, //
    }, //
};
use kernel::{
    prelude::*,
    sync::atomic::{
        Atomic,
        Relaxed, //
    }, //
};

/// Of which orders pages were taken off what is to be allocated: a bit for each.
static TAKEN: Atomic<u64> = Atomic::new(0);

/// Of which orders reserved pages are held back.
static HELD: Atomic<u64> = Atomic::new(0);

/// The address of the counts that are in the pools of this kernel, or zero.
static COUNTED: Atomic<u64> = Atomic::new(0);

/// How many pages of each row were asked for. The others are surplus.
static ASKED: [Atomic<u64>; Pools::ROWS] = [const { Atomic::new(0) }; Pools::ROWS];

/// Whether the counts at this address are in the pools of this kernel; [`EINVAL`] if others are.
pub(crate) fn counted(address: u64) -> Result<bool> {
    match COUNTED.load(Relaxed) {
        0 => Ok(false),
        counted if counted == address => Ok(true),
        _ => Err(EINVAL),
    }
}

/// Whether reserved pages of this order are held back since boot.
pub(crate) fn held(order: u32) -> bool {
    HELD.load(Relaxed) & bit(order) != 0
}

fn bit(order: u32) -> u64 {
    1_u64.checked_shl(order).unwrap_or(0)
}

/// What has come and can be used, and where it is.
fn came() -> Option<&'static (u64, Pools)> {
    raw::came().filter(|(_, pools)| pools.are_sound(raw::memory()))
}

/// The rows of an order that are no reservations, with their places.
fn rows(pools: &Pools, order: u32) -> impl Iterator<Item = (usize, &Row)> {
    let is_it = move |(_, row): &(usize, &Row)| row.order == order && row.node != RESERVED;
    pools.rows().iter().enumerate().filter(is_it)
}

/// Takes pages that come off those to be allocated: `pages`, and `on_nodes` if they were asked for
/// by node. Of each order once.
pub(crate) fn take(order: u32, pages: &mut usize, on_nodes: &mut [u32]) {
    let taken = TAKEN.load(Relaxed);
    if taken & bit(order) != 0 {
        return;
    }
    let Some((_, pools)) = came() else { return };
    TAKEN.store(taken | bit(order), Relaxed);
    let by_node = on_nodes.iter().any(|&pages| pages != 0);
    for (at, row) in rows(pools, order) {
        let on_node = on_nodes.get_mut(raw::node(row.node) as usize);
        let most = match (&on_node, by_node) {
            (Some(on_node), true) => u64::from(**on_node),
            _ => *pages as u64,
        };
        let asked = row.count.min(most);
        *pages = pages.saturating_sub(asked as usize);
        if let (Some(on_node), true) = (on_node, by_node) {
            *on_node -= asked as u32;
        }
        ASKED[at].store(asked, Relaxed);
    }
}

/// Counts the pages that come in the pools, when those of this kernel are allocated.
pub(crate) fn count_all() {
    let Some((address, _)) = raw::came() else {
        return;
    };
    let Some((_, pools)) = came() else {
        return pr_err!("the counts of pages at {address:#x} are damaged\n");
    };
    for (at, row) in pools.rows().iter().enumerate() {
        let Row { order, node, count } = *row;
        match (Size::of_order(order), node) {
            _ if count == 0 => {}
            (None, _) => pr_err!("{count} pages of order {order} come, which are no use\n"),
            (Some(size), RESERVED) => match size.hold(count as isize) {
                Ok(()) => HELD.store(HELD.load(Relaxed) | bit(order), Relaxed),
                Err(_) => pr_err!("{count} reserved pages cannot be held back\n"),
            },
            (Some(size), _) => {
                let surplus = count.saturating_sub(ASKED[at].load(Relaxed));
                size.count(raw::node(node), count as isize, surplus as isize);
                pr_info!(
                    "{count} pages of order {order} come from node {node}, \
                     {surplus} of them surplus\n"
                );
            }
        }
    }
    COUNTED.store(*address, Relaxed);
}
