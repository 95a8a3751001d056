// SPDX-License-Identifier: GPL-2.0
//! Where what is handed over is in memory, and how to damage it.

use crate::{fdt, luo_ser};
use std::fs;
use std::io;

const STATE: &str = "/sys/kernel/debug/kho/out/sub_fdts/LUO";
const POKE: &str = "/sys/kernel/debug/luo_flb_client/poke";

// Where entries are in the block, and data in an entry.
pub const ENTRIES: u64 = 16;
pub const ENTRY: u64 = 64;
pub const DATA: u64 = 48;

/// The physical address of the block, and of the orchestrator's state, with its content.
pub struct Place {
    pub block: u64,
    pub state: u64,
    pub content: Vec<u8>,
}

impl Place {
    /// Finds out; the state is a tree or a structure.
    pub fn find(is_tree: bool) -> io::Result<Self> {
        let damaged = || io::Error::other("what is handed over cannot be read");
        let content = fs::read(STATE)?;
        let block = match is_tree {
            true => tree_block(&content),
            false => luo_ser::numbers(&content)
                .ok()
                .map(|[_, _, flbs_pa]| flbs_pa),
        };
        let block = block.ok_or_else(damaged)?;
        let state = fs::read_to_string(POKE)?;
        let state = state.trim().strip_prefix("state = 0x");
        let state = state.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        let state = state.ok_or_else(damaged)?;
        Ok(Self {
            block,
            state,
            content,
        })
    }

    /// The physical address of the data of an entry in the block.
    pub fn data(&self, entry: u64) -> u64 {
        self.block + ENTRIES + entry * ENTRY + DATA
    }

    /// The physical address of some bytes of the state.
    pub fn of(&self, bytes: &[u8]) -> Option<u64> {
        let mut windows = self.content.windows(bytes.len());
        let at = windows.position(|window| window == bytes)?;
        Some(self.state + at as u64)
    }
}

/// Where the block is, as a tree has it.
fn tree_block(tree: &[u8]) -> Option<u64> {
    let items = fdt::items(tree).ok()?;
    fdt::number(fdt::property(&items, &["luo-flb"], "luo-flb-header")?)
}

/// Has the kernel store bytes at a physical address when it reboots.
pub fn poke(address: u64, bytes: &[u8]) -> io::Result<()> {
    poke_behind(address, &[], bytes)
}

/// The same in the memory of which the physical address stands at `address`, so many bytes behind
/// its beginning, or from there to other memory and so on. Without bytes, the last of the addresses
/// on the way is stored.
pub fn poke_behind(address: u64, offsets: &[u64], bytes: &[u8]) -> io::Result<()> {
    let mut poke = vec![address, offsets.len() as u64];
    poke.extend(offsets);
    let mut poke = poke
        .into_iter()
        .flat_map(u64::to_ne_bytes)
        .collect::<Vec<u8>>();
    poke.extend(bytes);
    fs::write(POKE, poke)
}
